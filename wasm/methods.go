package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/dept/demo"
	"github.com/go-dept/dept/nn"
)

// kinds are the methods that the page offers: all that make adapters. One that
// trains the model's own weights would need them a second time, as float32 and with
// gradients, in the memory of a tab.
func kinds() []*dept.Kind {
	return slices.DeleteFunc(slices.Clone(dept.Kinds), (*dept.Kind).Checkpoints)
}

// lookup finds a method that the page offers.
func lookup(name string) (*dept.Kind, error) {
	all := kinds()
	i := slices.IndexFunc(all, func(k *dept.Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, failf(codeSettings, "Choose one of the page's methods.", "there is no method %q on this page", name)
	}
	return all[i], nil
}

// methodInfos is the menu.
func methodInfos() []MethodInfo {
	return mapped(kinds(), func(k *dept.Kind) MethodInfo {
		info := MethodInfo{Name: k.Name, Title: k.Title, About: k.About, Parts: parts(k), Prompt: hasPrompt(k), Shift: hasShift(k)}
		values := startValues(k, demo.Width)
		for _, s := range k.Settings {
			x := SettingInfo{
				Name: s.Name, Title: s.Title, About: s.About, Type: typeNames[reflect.TypeOf(s.Default).Kind()], Default: values[s.Name],
				Least: s.Least, Most: s.Most, Choices: append([]string{}, s.Choices...),
			}
			if s.Rate {
				x.Rate = dept.RateKey(s.Group)
			}
			info.Settings = append(info.Settings, x)
		}
		return info
	})
}

var typeNames = map[reflect.Kind]string{reflect.Int: "int", reflect.Float64: "float", reflect.Bool: "bool", reflect.String: "text", reflect.Slice: "list"}

// startValues are a method's settings to begin with on a model of a width. Sizes are the
// demonstration's, where it has the method. Learning rates and where a prompt starts are
// those measured on its backbone for a model as wide; on others they are the method's own,
// which are made for the T5s that there are.
func startValues(k *dept.Kind, width int) dept.Values {
	v := k.Defaults()
	rates := demo.SiblingRates[k.Name]
	variants := demo.Variants(demo.MaxSource)
	if i := slices.IndexFunc(variants, func(v demo.Variant) bool { return v.Config.Kind() == k }); i >= 0 {
		rates = variants[i].Rates
		for _, s := range k.Settings {
			if s.Of != nil {
				v[s.Name] = s.Of(variants[i].Config)
			}
		}
	}
	if width != demo.Width {
		return v
	}
	for _, s := range k.Settings {
		rate, ok := rates[s.Group]
		switch {
		case s.Rate && ok:
			v[s.Name] = rate
		case slices.Contains(s.Choices, string(dept.InitRandom)):
			v[s.Name] = string(dept.InitRandom)
		}
	}
	return v
}

// modelValues are those of the methods' settings to begin with that depend on the model's
// width, by method.
func modelValues(width int) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, k := range kinds() {
		all[k.Name] = map[string]any{}
		for _, s := range k.Settings {
			if s.Rate || s.Start {
				all[k.Name][s.Name] = startValues(k, width)[s.Name]
			}
		}
	}
	return all
}

// values gives the settings of a method the types that they have in the table, and
// fills in defaults. What a value is to be is checked later.
func values(k *dept.Kind, given map[string]any) (dept.Values, error) {
	v := k.Defaults()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		s := k.Setting(name)
		if s == nil {
			return nil, failf(codeSettings, "Leave it out.", "%s has no setting %q", k.Title, name)
		}
		text, err := json.Marshal(given[name])
		if err != nil {
			return nil, err
		}
		typed := reflect.New(reflect.TypeOf(s.Default))
		if err := json.Unmarshal(text, typed.Interface()); err != nil {
			return nil, failf(codeSettings, fmt.Sprintf("Choose one such as %v.", s.Default), "the %s cannot be %s", s.Title, text)
		}
		v[name] = typed.Elem().Interface()
	}
	return v, nil
}

// configure makes the Config of settings for a model, without its numbers, and says
// how large it is.
func configure(k *dept.Kind, v dept.Values, maxSource int, d nn.Description) (dept.Config, Size, []*dept.SettingError, error) {
	if err := k.Check(v); err != nil {
		return nil, Size{}, nil, err
	}
	c, advice, err := k.Configure(v, maxSource, d)
	if err != nil {
		return nil, Size{}, nil, err
	}
	tensors, err := c.Tensors(d)
	if err != nil {
		return nil, Size{}, nil, err
	}
	return c, sizeOf(&dept.Adapter{Config: c, Tensors: tensors}), advice, nil
}

func sizeOf(a *dept.Adapter) Size {
	c := a.Config
	return Size{Method: c.Kind().Name, Parameters: a.Parameters(), Positions: c.Positions(), Describe: c.Describe()}
}

// beside are the settings of another method for a comparison with one of so many
// parameters. Settings that both methods have, sizes apart, are as the run had them where
// it had its own, and some may be fixed; and the last of the other's whole numbers, which
// its size follows, makes it as large as the parameters allow and as is not in vain. Where even
// the least is too large, it is as to begin with.
func beside(other, k *dept.Kind, v, fixed dept.Values, parameters, maxSource int, d nn.Description) dept.Values {
	w, usual := startValues(other, d.Width), startValues(k, d.Width)
	free := ""
	for _, s := range other.Settings {
		if _, ok := s.Default.(int); ok {
			free = s.Name
		} else if mine := k.Setting(s.Name); mine != nil && mine.Title == s.Title && reflect.DeepEqual(mine.Default, s.Default) && !reflect.DeepEqual(v[s.Name], usual[s.Name]) {
			w[s.Name] = v[s.Name]
		}
	}
	maps.Copy(w, fixed)
	if free == "" {
		return w
	}
	sized := func(n int) (parameters int, inVain bool) {
		try := maps.Clone(w)
		try[free] = n
		_, size, advice, err := configure(other, try, maxSource, d)
		return size.Parameters, err != nil || len(advice) > 0
	}
	one, _ := sized(1)
	two, _ := sized(2)
	low, high := 0, parameters+1 // each further one is a parameter at least
	for high-low > 1 {
		n := (low + high) / 2
		size, inVain := sized(n)
		switch {
		case two < one && (inVain || size <= parameters): // it divides the size
			high = n
		case two < one || !inVain && size <= parameters:
			low = n
		default:
			high = n
		}
	}
	n := low
	if two < one {
		n = high
	}
	if size, inVain := sized(n); n > 0 && !inVain && size <= parameters {
		w[free] = n
	}
	return w
}
