package dept

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-dept/dept/nn"
)

// Targets chooses modules of a model as PEFT does: by a list of names, each a
// module's whole path or its end behind a dot, or by one regular expression that
// matches whole paths.
type Targets struct {
	Names   []string
	Pattern string

	// fileKnows says that a configuration chooses by more than these, or by an expression
	// that only Python reads: the modules are those of the adapter's file. See ofFile.
	fileKnows bool
}

func (t Targets) String() string {
	if t.Pattern != "" {
		return t.Pattern
	}
	return strings.Join(t.Names, ", ")
}

// MarshalJSON writes the list, or the expression as a string.
func (t Targets) MarshalJSON() ([]byte, error) {
	if t.Pattern != "" {
		return json.Marshal(t.Pattern)
	}
	return json.Marshal(append([]string{}, t.Names...))
}

// UnmarshalJSON reads either.
func (t *Targets) UnmarshalJSON(data []byte) error {
	*t = Targets{}
	if json.Unmarshal(data, &t.Pattern) == nil {
		_, err := t.expression()
		t.fileKnows = err != nil
		return nil
	}
	if err := json.Unmarshal(data, &t.Names); err != nil {
		return fmt.Errorf("%s is neither a list of names nor a regular expression", data)
	}
	slices.Sort(t.Names) // PEFT keeps a set and writes it in any order
	return nil
}

// expression is the regular expression for whole paths.
func (t Targets) expression() (*regexp.Regexp, error) {
	return regexp.Compile("^(?:" + t.Pattern + ")$")
}

// narrowingKeys are the keys of an adapter_config.json that leave out some of the modules that
// target_modules chooses.
var narrowingKeys = []string{"exclude_modules", "layers_to_transform", "layers_pattern"}

// narrowed takes in that the configuration that the targets are of leaves some out.
func (t *Targets) narrowed(config []byte) {
	t.fileKnows = t.fileKnows || refuseKeys(config, narrowingKeys...) != nil
}

// ofFile are the targets with the modules that an adapter's tensors belong to by name, where
// only these tell.
func (t Targets) ofFile(took []Tensor) Targets {
	if !t.fileKnows {
		return t
	}
	var names []string
	for _, x := range took {
		module, _ := splitTensorName(strings.TrimPrefix(x.Name, moduleKey), "", adapterParts)
		if !slices.Contains(names, module) {
			names = append(names, module)
		}
	}
	slices.Sort(names)
	return Targets{Names: names}
}

// adapterParts are the parts of a module's tensors, of all methods that have targets.
var adapterParts = []string{loraA, loraB, magnitude, ia3L, normWeight}

// empty says that nothing is chosen.
func (t Targets) empty() bool { return len(t.Names) == 0 && t.Pattern == "" }

// sites are those of a model's matrices that the targets choose.
func (t Targets) sites(d nn.Description) ([]nn.Site, error) { return t.choose(d.Sites()) }

// choose picks those of some modules of a model that the targets choose, at least one. As for
// PEFT, a name may choose none where another does: its adapters carry such along.
func (t Targets) choose(all []nn.Site) ([]nn.Site, error) {
	if t.Pattern != "" {
		whole, err := t.expression()
		if err != nil {
			return nil, fmt.Errorf("the targets' regular expression: %w", err)
		}
		chosen := slices.DeleteFunc(slices.Clone(all), func(s nn.Site) bool { return !whole.MatchString(s.Module) })
		if len(chosen) == 0 {
			return nil, fmt.Errorf("the targets' regular expression %q matches no module of the model, such as %s", t.Pattern, all[0].Module)
		}
		return chosen, nil
	}
	if chosen := slices.DeleteFunc(slices.Clone(all), func(s nn.Site) bool { return !t.has(s) }); len(chosen) > 0 {
		return chosen, nil
	}
	return nil, t.check(all)
}

// check refuses a name that chooses none of some modules of a model.
func (t Targets) check(all []nn.Site) error {
	for _, name := range t.Names {
		if !slices.ContainsFunc(all, func(s nn.Site) bool { return named(s, name) }) {
			return fmt.Errorf("no module of the model is named %s: there are %s", name, strings.Join(moduleNames(all), ", "))
		}
	}
	return nil
}

// has says whether a list of names chooses a site.
func (t Targets) has(s nn.Site) bool {
	return slices.ContainsFunc(t.Names, func(name string) bool { return named(s, name) })
}

func named(s nn.Site, name string) bool {
	return s.Module == name || strings.HasSuffix(s.Module, "."+name)
}

// moduleNames lists the last parts of the modules' paths.
func moduleNames(modules []nn.Site) []string {
	var names []string
	for _, s := range modules {
		if name := s.Module[strings.LastIndexByte(s.Module, '.')+1:]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// moduleKey begins the names of PEFT's tensors.
const moduleKey = "base_model.model."

// tensorName is the name of a site's tensor in PEFT's files.
func tensorName(s nn.Site, part string) string { return moduleKey + s.Module + "." + part }

// refuseKeys reports the first of the keys of an adapter_config.json that asks for
// something: a value other than null, false, 0, "" and empty lists. What each means
// is in PEFT's documentation; an adapter read without it would answer otherwise.
func refuseKeys(config []byte, keys ...string) error {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(config, &file); err != nil {
		return err
	}
	for _, key := range keys {
		switch value := string(file[key]); {
		case value == "0" && key != "layers_to_transform": // of which it is the first
		case slices.Contains([]string{"", "null", "false", "0.0", `""`, "[]", "{}"}, value):
		default:
			var short bytes.Buffer
			if err := json.Compact(&short, file[key]); err != nil {
				return err
			}
			return fmt.Errorf("%s is %s, which is not supported: without it the adapter would answer otherwise", key, &short)
		}
	}
	return nil
}

// takeModules picks out of a file what belongs to modules: for each module all of
// the parts, in the order of the modules' names in the file, with shapes that fit
// says are right.
func takeModules(file []Tensor, parts []string, fit func(module, part string, shape []int) error) ([]Tensor, error) {
	for _, t := range file {
		if !strings.HasPrefix(t.Name, moduleKey) {
			return nil, fmt.Errorf("tensor %q belongs to no such adapter", t.Name)
		}
	}
	return takeParts(file, "", parts, func(module, part string, shape []int) error {
		return fit(strings.TrimPrefix(module, moduleKey), part, shape)
	})
}

// takeParts is takeModules for any names that end in the module's end and a part.
func takeParts(file []Tensor, end string, parts []string, fit func(module, part string, shape []int) error) ([]Tensor, error) {
	var modules []string
	byName := map[string]Tensor{}
	for _, t := range file {
		module, part := splitTensorName(t.Name, end, parts)
		if part == "" {
			return nil, fmt.Errorf("tensor %q belongs to no such adapter: is the %s another one's, or has training also changed the embedding or the output layer, which is not supported?", t.Name, AdapterConfigFile)
		}
		if err := fit(module, part, t.Shape); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		byName[t.Name] = t
		if !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
	}
	var took []Tensor
	for _, module := range modules {
		for _, part := range parts {
			t, ok := byName[module+"."+part]
			if !ok {
				return nil, fmt.Errorf("tensor %s.%s is missing", module, part)
			}
			took = append(took, t)
		}
	}
	return took, nil
}

func splitTensorName(name, end string, parts []string) (module, part string) {
	for _, p := range parts {
		if m, ok := strings.CutSuffix(name, "."+p); ok && strings.HasSuffix(m, end) {
			return m, p
		}
	}
	return "", ""
}

// patterns gives some modules values of their own, as PEFT's configurations do: each is
// a regular expression with a value, in the file's order.
type patterns []valuePattern

type valuePattern struct {
	key    string
	value  float64
	module *regexp.Regexp // matches whole paths
}

// What a file's patterns may take of memory is bounded: their text, and how often they
// may repeat a part by number.
const maxPatterns = 4096

var manyTimes = regexp.MustCompile(`\{\d*,?\d{3}`)

// of is the value of the first pattern that matches a module, else usual.
func (l patterns) of(module string, usual float64) float64 {
	for _, p := range l {
		if p.module.MatchString(module) {
			return p.value
		}
	}
	return usual
}

func (l patterns) String() string {
	var parts []string
	for _, p := range l {
		parts = append(parts, fmt.Sprintf("%s: %g", p.key, p.value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// MarshalJSON writes an object in the patterns' order.
func (l patterns) MarshalJSON() ([]byte, error) {
	out := []byte("{")
	for i, p := range l {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(p.key)
		if err != nil {
			return nil, err
		}
		out = fmt.Appendf(append(out, key...), ":%g", p.value)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads an object, or null.
func (l *patterns) UnmarshalJSON(data []byte) error {
	*l = nil
	var values map[string]*float64
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("%.100s is no object of patterns with a number each", data)
	}
	if len(data) > maxPatterns || manyTimes.Match(data) {
		return fmt.Errorf("%.100s... is more than patterns of a model's modules need", data)
	}
	text := json.NewDecoder(bytes.NewReader(data))
	for range len(values) {
		key := ""
		for key == "" { // the brace, or the number before
			token, err := text.Token()
			if err != nil {
				return err
			}
			if name, ok := token.(string); ok {
				key = name
			}
		}
		module, err := regexp.Compile(`^(?:(?:.*\.)?(?:` + key + `))$`)
		if err != nil {
			return fmt.Errorf("the pattern %q: %w", key, err)
		}
		if values[key] == nil {
			return fmt.Errorf("the pattern %q has no number", key)
		}
		*l = append(*l, valuePattern{key, *values[key], module})
	}
	return nil
}
