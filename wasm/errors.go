package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/train"
	"github.com/go-dept/dept/wgpu"
)

// failure is an error that knows its code and what to do about it.
type failure struct {
	code, remedy string
	err          error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// failf makes a failure of a new error.
func failf(code, remedy, format string, args ...any) error {
	return &failure{code, remedy, fmt.Errorf(format, args...)}
}

// as gives err a code and a remedy, unless its cause has better ones.
func as(code, remedy string, err error) error {
	if err == nil {
		return nil
	}
	if known, _ := cause(err); known != codeBug {
		return err
	}
	return &failure{code, remedy, err}
}

// settingTitles are what people call the settings that every method has.
var settingTitles = map[string]string{
	"steps": "number of steps", "batch-size": "batch", "warmup-steps": "warm-up", "max-source-length": "longest text", "eval-every": "pause between evaluations",
}

// settingSentence words what is said about a setting of a method.
func settingSentence(k *dept.Kind, e *dept.SettingError) string {
	title, ok := settingTitles[e.Setting]
	if s := k.Setting(e.Setting); s != nil {
		title, ok = s.Title, true
	}
	if !ok {
		title = e.Setting
	}
	return fmt.Sprintf("the %s is %v: %s", title, e.Value, e.Reason)
}

// pageError words a refusal of settings for people who have a form, not flags.
func pageError(k *dept.Kind, err error) error {
	var setting *dept.SettingError
	var large *train.TooLargeError
	switch {
	case errors.As(err, &setting):
		return failf(codeSettings, "Choose another value.", "%s", settingSentence(k, setting))
	case !errors.As(err, &large):
		return err
	}
	remedy := "The model is too large for this device."
	switch {
	case large.Batch > 0:
		remedy = fmt.Sprintf("A batch of %d fits.", large.Batch)
	case large.MaxSourceLength > 0:
		remedy = fmt.Sprintf("Choose a batch of 1 and texts of at most %d tokens.", large.MaxSourceLength)
	case large.MaxTargetLength > 0:
		remedy = fmt.Sprintf("Choose a batch of 1 and labels of at most %d tokens.", large.MaxTargetLength)
	}
	return &failure{codeLimit, remedy, large.Err}
}

// notices are sentences about settings that work, but are in vain.
func notices(k *dept.Kind, advice []*dept.SettingError) string {
	return strings.Join(mapped(advice, func(e *dept.SettingError) string { return sentence(settingSentence(k, e)) }), " ")
}

// cause reports what kind of error err is.
func cause(err error) (code, remedy string) {
	var f *failure
	var limit *wgpu.LimitError
	switch {
	case errors.As(err, &f):
		return f.code, f.remedy
	case errors.Is(err, context.Canceled):
		return codeCancelled, "Start it again whenever you like."
	case errors.Is(err, wgpu.ErrNoAdapter):
		_, remedy := withoutWebGPU(surroundings())
		return codeNoWebGPU, remedy
	case errors.Is(err, wgpu.ErrDeviceLost):
		return codeDeviceLost, "Load the model again, which is quick now; the adapter as it was drawn last is kept."
	case errors.As(err, &limit):
		return codeLimit, "Choose a smaller batch, shorter texts or a shorter prompt."
	case isOutOfMemory(err):
		return codeMemory, "Choose a smaller batch or shorter texts, or close other tabs that use the graphics processor, and start again."
	case errors.Is(err, train.ErrNotFinite):
		return codeNotFinite, "Lower the learning rates and train again; the adapter is as the last good step left it."
	case errors.Is(err, fs.ErrNotExist):
		return codeFile, "Check that the model's folder is complete: config.json, tokenizer.json and model.safetensors."
	}
	return codeBug, "Please report this with the settings you used; reload the page to go on."
}

// isOutOfMemory knows what browsers and drivers say when memory runs out.
func isOutOfMemory(err error) bool {
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"outofmemory", "out of memory", "array buffer allocation failed", "not enough memory"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// explain makes the message of an error.
func explain(err error, during string, id int) Error {
	code, remedy := cause(err)
	message := err.Error()
	switch code {
	case codeCancelled:
		message = "cancelled"
	case codeNoWebGPU:
		message, _ = withoutWebGPU(surroundings())
	case codeDeviceLost:
		message = "the graphics device was lost: its driver was reset, or the browser took it away"
	}
	return Error{Code: code, During: during, ID: id, Message: sentence(message), Remedy: remedy}
}

// sentence makes an error's text one. The name of a file at its beginning stays as it is.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	word, _, _ := strings.Cut(text, " ")
	if first, size := utf8.DecodeRuneInString(text); !strings.ContainsAny(word, "._") {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}
