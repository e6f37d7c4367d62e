// Package dept reads and writes adapters, makes new ones, and puts them on a model:
//
//	adapter, err := dept.ReadAdapter("runs/mine")
//	method, err := dept.New(setup.Model, adapter, false) // of a train.Setup
//
// Package train trains and evaluates them. The methods of fine-tuning are here too:
// Decomposed Prompt Tuning (DePT) and its siblings. A method is a file of this
// package with its equation on top, and a row of Kinds; everything else, from the
// flags of the command line to the page's menu, is read from that row.
package dept

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/go-dept/dept/nn"
)

// Kind is a method of fine-tuning, as the programs around it know it.
type Kind struct {
	Name  string // on the command line and in files: "dept"
	Title string // for people: "Decomposed prompt tuning"
	About string // what it trains, in a line
	Peft  string // peft_type of its adapter_config.json; empty where the file has none
	Hub   bool   // its files are the adapters library's (AdapterHub), not PEFT's
	// Architecture is the adapters library's name of what the adapter is like.
	Architecture string
	Settings     []Setting

	// Empty is a Config to read an adapter_config.json into; nil where the method makes
	// whole checkpoints.
	Empty func() Config
	// Configure makes an adapter's Config of settings for texts of up to
	// maxSourceLength tokens and a model. What is asked for in vain, but works, comes
	// back as advice.
	Configure func(v Values, maxSourceLength int, d nn.Description) (c Config, advice []*SettingError, err error)
	// Start gives the numbers that training starts from, as many and in the order
	// of the Config's Tensors.
	Start func(c Config, v Values, o Origin) ([]Tensor, error)
	// Hooks hang the method on a model's passes; array gives the tensors by name.
	Hooks func(c Config, array Arrays) nn.Hooks
	// Merge folds a site's share of the adapter into its weight w, [out, in] or a
	// norm's [d]. It is nil where the method is no change of weights.
	Merge func(a *Adapter, s nn.Site, w []float32) error
	// Apart says why there is no Merge.
	Apart string
}

// Kinds is the table of methods, in the order in which they are offered.
var Kinds = []*Kind{&DePT, &PromptTuning, &ADePT, &ResidualPrompt, &LoRA, &IA3, &Norms, &Biases, &Bottleneck, &Prefix, &Full}

// Lookup finds a method by its name.
func Lookup(name string) (*Kind, error) {
	i := slices.IndexFunc(Kinds, func(k *Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no method %q: there are %s", name, strings.Join(Names(), ", "))
	}
	return Kinds[i], nil
}

// Names lists the methods' names.
func Names() []string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// Checkpoints says whether the method makes whole checkpoints, not adapters.
func (k *Kind) Checkpoints() bool { return k.Empty == nil }

// WeightsFile is the name of the file of an adapter's numbers.
func (k *Kind) WeightsFile() string {
	if k.Hub {
		return HubWeightsFile
	}
	return AdapterWeightsFile
}

// torchFile is the file of an adapter's numbers that is read where that one is missing.
func (k *Kind) torchFile() string {
	if k.Hub {
		return HubTorchFile
	}
	return AdapterTorchFile
}

// Setting is something that a user may choose about a method.
type Setting struct {
	Name    string // of its flag: "prompt-length"
	Title   string // for people: "prompt length m"
	About   string
	Default any // an int, float64, bool, string or []string, which is the setting's type
	// Numbers go from Least to Most; 0 for Most is no bound but the type's.
	Least, Most float64
	Choices     []string // of a string
	// Rate says that it is the learning rate of the parameter group named Group.
	Rate  bool
	Group string
	// Start says that it decides the numbers that training starts from, and nothing
	// after that.
	Start bool
	// Of reads the setting back from an adapter's Config; nil where the Config does
	// not depend on it.
	Of func(Config) any
}

// whole is a number as an int where it is one.
func whole(x float64) any {
	if x == math.Trunc(x) {
		return int(x)
	}
	return x
}

// rateSetting is the learning rate of a group. The one group of a method has no
// name: its flag is "lr".
func rateSetting(group, title string, value float64) Setting {
	name := "lr"
	if group != "" {
		name += "-" + group
	}
	return Setting{Name: name, Title: title, About: title, Default: value, Rate: true, Group: group}
}

// RateKey is the name of a group's learning rate in a run's log.
func RateKey(group string) string {
	if group == "" {
		return "lr"
	}
	return "lr_" + group
}

// SettingError refuses the value of a setting, or advises against it. Each
// program words it in its own way.
type SettingError struct {
	Setting string // a name as in Setting.Name
	Value   any
	Reason  string
}

func (e *SettingError) Error() string { return fmt.Sprintf("%s %v: %s", e.Setting, e.Value, e.Reason) }

// refuse is a SettingError with a reason put together.
func refuse(setting string, value any, format string, args ...any) *SettingError {
	return &SettingError{setting, value, fmt.Sprintf(format, args...)}
}

// Values are the settings of a method by name, each of its Default's type; Kind.Settings lists them.
type Values map[string]any

// Defaults are the values of a method's settings where nobody has chosen.
func (k *Kind) Defaults() Values {
	v := Values{}
	for _, s := range k.Settings {
		v[s.Name] = s.Default
	}
	return v
}

func (v Values) Int(name string) int          { x, _ := v[name].(int); return x }
func (v Values) Float(name string) float64    { x, _ := v[name].(float64); return x }
func (v Values) Bool(name string) bool        { x, _ := v[name].(bool); return x }
func (v Values) String(name string) string    { x, _ := v[name].(string); return x }
func (v Values) Strings(name string) []string { x, _ := v[name].([]string); return x }

// Rates are the learning rates by parameter group.
func (k *Kind) Rates(v Values) map[string]float64 {
	rates := map[string]float64{}
	for _, s := range k.Settings {
		if s.Rate {
			rates[s.Group] = v.Float(s.Name)
		}
	}
	return rates
}

// Setting finds one of the method's settings; nil if it has none of that name.
func (k *Kind) Setting(name string) *Setting {
	for i := range k.Settings {
		if k.Settings[i].Name == name {
			return &k.Settings[i]
		}
	}
	return nil
}

// Check reports the first name that is no setting of the method, or the first setting whose value is
// missing, of another type than its default, out of bounds or no choice.
func (k *Kind) Check(v Values) error {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if k.Setting(name) == nil {
			return refuse(name, v[name], "%s has no such setting", k.Title)
		}
	}
	for _, s := range k.Settings {
		if err := s.check(v[s.Name]); err != nil {
			return err
		}
	}
	return nil
}

func (s Setting) check(value any) error {
	if reflect.TypeOf(value) != reflect.TypeOf(s.Default) {
		return refuse(s.Name, value, "it must be of the type of %v", s.Default)
	}
	switch x := value.(type) {
	case int:
		most := s.Most
		if most == 0 {
			most = math.MaxInt32
		}
		if float64(x) < s.Least || float64(x) > most {
			return refuse(s.Name, x, "it must be a number from %.0f to %.0f", s.Least, most)
		}
	case float64:
		most := s.Most
		if most == 0 {
			most = math.MaxFloat32
		}
		if !(x >= s.Least && x < most) {
			return refuse(s.Name, x, "it must be at least %g and less than %g", s.Least, most)
		}
	case string:
		if len(s.Choices) > 0 && !slices.Contains(s.Choices, x) {
			return refuse(s.Name, fmt.Sprintf("%q", x), "there are %s", strings.Join(s.Choices, ", "))
		}
	case []string:
		if slices.Contains(x, "") {
			return refuse(s.Name, fmt.Sprintf("%q", x), "one of the names is empty")
		}
	}
	return nil
}
