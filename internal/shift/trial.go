//go:build !js

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gofrs/flock"
)

// trial is a prompt to train and to score. It decides every number that comes of it on a device.
type trial struct {
	Task    string  `json:"task"` // the name of a demo.Task
	Variant variant `json:"variant"`
	Length  int     `json:"prompt_length"` // m
	Rank    int     `json:"rank"`          // r
	RateP   float64 `json:"lr_prompt,omitempty"`
	RateAB  float64 `json:"lr_lowrank,omitempty"`
	Rows    int     `json:"rows"` // to train on
	Steps   int     `json:"steps"`
	Seed    uint64  `json:"seed"`            // of the rows, their order, and where the prompt starts
	Start   int     `json:"start,omitempty"` // which of the seed's prompts it starts from
	Probe   string  `json:"probe,omitempty"` // measure Tests too
}

// outcome is what came of a trial. Accuracies are fractions of rows whose words are held back.
type outcome struct {
	trial
	Parameters int     `json:"parameters"`
	Dev        float64 `json:"dev"`  // rates are chosen by it
	Test       float64 `json:"test"` // and what is reported is this
	// Tests are accuracies on the probe's kinds of test rows.
	Tests   []float64 `json:"tests,omitempty"`
	Loss    float64   `json:"loss"` // mean over the last tenth of the updates
	Seconds float64   `json:"seconds"`
	Bytes   int64     `json:"bytes"` // on the device, beside the weights
	Device  string    `json:"device"`
	Date    string    `json:"date"` // of the day it was made
}

// book is the outcomes in a file, a line each.
type book struct {
	file     *os.File
	lock     *flock.Flock
	outcomes map[trial]outcome
}

// readBook reads the outcomes of a file.
func readBook(path string) (*book, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b := &book{outcomes: map[trial]outcome{}}
	_, err = b.read(file)
	return b, err
}

// openBook reads the outcomes of a file and leaves it open for more. The last line of a run that
// was killed, if it has no end, is taken away. It belongs to this process until it is closed.
func openBook(path string) (*book, error) {
	lock := flock.New(path + ".lock")
	if mine, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !mine {
		return nil, fmt.Errorf("another process writes %s: give this one another -out", path)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		lock.Unlock()
		return nil, err
	}
	b := &book{file, lock, map[trial]outcome{}}
	whole, err := b.read(file)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// read takes in the lines of a file; whole is where the last that has an end ends.
func (b *book) read(file *os.File) (whole int64, err error) {
	for r, line := bufio.NewReader(file), 1; ; line++ {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		var o outcome
		if err == nil {
			err = json.Unmarshal(text, &o)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: line %d: %w", file.Name(), line, err)
		}
		b.outcomes[o.trial] = o
		whole += int64(len(text))
	}
}

// Close closes the file.
func (b *book) Close() error { return errors.Join(b.file.Close(), b.lock.Unlock()) }

// add writes an outcome.
func (b *book) add(o outcome) error {
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(o); err != nil {
		return err
	}
	if _, err := b.file.Write(line.Bytes()); err != nil {
		return err
	}
	b.outcomes[o.trial] = o
	return nil
}
