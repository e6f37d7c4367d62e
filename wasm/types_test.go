//go:build !js

package main

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The types for other people's pages have the fields of the messages, of the same kinds.
func TestTypes(t *testing.T) {
	source, err := os.ReadFile("../web/src/dept.d.mts")
	require.NoError(t, err)
	comment := regexp.MustCompile(`(?s)/\*\*.*?\*/|//[^\n]*`)
	text := comment.ReplaceAllString(string(source), "")
	field := regexp.MustCompile(`(?m)^\s+(\w+)\??: (.*);$`)
	for name, of := range map[string]any{
		"Settings": Settings{}, "Progress": Progress{}, "Device": Device{}, "About": Model{}, "Method": MethodInfo{}, "Setting": SettingInfo{},
		"Plan": Plan{}, "Named": Named{}, "Step": Step{}, "Evaluation": Evaluation{}, "Confusion": Confusion{}, "Example": Example{},
		"Answer": Answer{}, "Score": Score{}, "Token": Token{}, "Imported": Imported{}, "Row": Row{},
	} {
		_, body, ok := strings.Cut(text, "export interface "+name+" {")
		require.True(t, ok, name)
		body, _, _ = strings.Cut(body, "\n}")
		got := map[string]string{}
		for _, f := range field.FindAllStringSubmatch(body, -1) {
			got[f[1]] = f[2]
		}
		want := fieldsOf(reflect.TypeOf(of))
		assert.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)), name)
		for field, kind := range want {
			assert.Regexp(t, kind, got[field], "%s.%s", name, field)
		}
	}

	_, codes, ok := strings.Cut(text, "export type Code =")
	require.True(t, ok)
	codes, _, _ = strings.Cut(codes, ";")
	messages, err := os.ReadFile("messages.go")
	require.NoError(t, err)
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^\s+code\w+\s+= "(.*)"`).FindAllStringSubmatch(string(messages), -1) {
		want = append(want, m[1])
	}
	for _, m := range regexp.MustCompile(`\| "(.*)"`).FindAllStringSubmatch(codes, -1) {
		got = append(got, m[1])
	}
	assert.Equal(t, want, got)
}

// fieldsOf are the fields of a message by their names in JSON, with what their types in
// TypeScript are like.
func fieldsOf(of reflect.Type) map[string]string {
	fields := map[string]string{}
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			maps.Copy(fields, fieldsOf(f.Type))
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch f.Type.Kind() {
		case reflect.String:
			fields[name] = `^(string|"[a-z-]+"( \| "[a-z-]+")*)$`
		case reflect.Bool:
			fields[name] = "^boolean$"
		case reflect.Slice, reflect.Array:
			fields[name] = `\]$`
		case reflect.Struct, reflect.Pointer:
			fields[name] = "^[A-Z]"
		case reflect.Map:
			fields[name] = "^Record<"
		case reflect.Interface:
			fields[name] = "^unknown$"
		default:
			fields[name] = "^number$"
		}
	}
	return fields
}
