package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/dept"
)

// methodFlags are --method and a flag for each setting of the methods in the table.
// Methods that have a setting of one name share its flag; a flag that is not given
// leaves its setting at the method's own default.
type methodFlags struct {
	name  string
	flags *pflag.FlagSet
}

// add registers the flags.
func (m *methodFlags) add(f *pflag.FlagSet) {
	m.flags = f
	f.StringVar(&m.name, "method", dept.Kinds[0].Name, strings.Join(dept.Names(), ", "))
	for _, name := range settingNames() {
		usage := settingUsage(name)
		switch settingNamed(name).Default.(type) {
		case int:
			f.Int(name, 0, usage)
		case float64:
			f.Float64(name, 0, usage)
		case bool:
			f.Bool(name, false, usage)
		case string:
			f.String(name, "", usage)
		case []string:
			f.StringSlice(name, nil, usage)
		}
	}
}

// kind is the method of --method.
func (m *methodFlags) kind() (*dept.Kind, error) {
	k, err := dept.Lookup(m.name)
	if err != nil {
		return nil, usagef("--method: %v", err)
	}
	return k, nil
}

// values are a method's settings, and the names of those that flags give.
func (m *methodFlags) values(k *dept.Kind) (v dept.Values, given []string, err error) {
	v = k.Defaults()
	for _, s := range k.Settings {
		if !m.flags.Changed(s.Name) {
			continue
		}
		given = append(given, s.Name)
		switch s.Default.(type) {
		case int:
			v[s.Name], err = m.flags.GetInt(s.Name)
		case float64:
			v[s.Name], err = m.flags.GetFloat64(s.Name)
		case bool:
			v[s.Name], err = m.flags.GetBool(s.Name)
		case string:
			v[s.Name], err = m.flags.GetString(s.Name)
		case []string:
			v[s.Name], err = m.flags.GetStringSlice(s.Name)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return v, given, nil
}

// warnUnused names the given flags that the method does not use. They are no error:
// changing --method alone is how methods are compared.
func (m *methodFlags) warnUnused(cmd *cobra.Command, k *dept.Kind) {
	for _, name := range settingNames() {
		if m.flags.Changed(name) && k.Setting(name) == nil {
			warn(cmd, "--method %s does not use --%s", k.Name, name)
		}
	}
}

// settingNames lists the settings of all methods, each once, in the table's order.
func settingNames() []string {
	var names []string
	for _, k := range dept.Kinds {
		for _, s := range k.Settings {
			if !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// settingNamed is the setting of that name of the first method that has it.
func settingNamed(name string) *dept.Setting {
	for _, k := range dept.Kinds {
		if s := k.Setting(name); s != nil {
			return s
		}
	}
	return nil
}

// settingUsage says what a setting is and which methods have it, with their
// defaults: those that mean the same by it, and then have the same default, together.
func settingUsage(name string) string {
	var meanings []string
	methods := map[string][]string{} // what stands in a meaning's parentheses
	for _, k := range dept.Kinds {
		s := k.Setting(name)
		if s == nil {
			continue
		}
		if methods[s.About] == nil {
			meanings = append(meanings, s.About)
		}
		methods[s.About] = addMethod(methods[s.About], k.Name, defaultText(s.Default))
	}
	for i, about := range meanings {
		meanings[i] = fmt.Sprintf("%s (%s)", about, strings.Join(methods[about], "; "))
	}
	return strings.Join(meanings, "; ")
}

// addMethod adds a method to a list such as "dept, pt 40", in which methods of one
// default stand together.
func addMethod(list []string, method, value string) []string {
	for i, group := range list {
		if methods, ok := strings.CutSuffix(group, " "+value); ok && value != "" {
			list[i] = methods + ", " + method + " " + value
			return list
		}
	}
	return append(list, strings.TrimSpace(method+" "+value))
}

// defaultText is a default as a flag takes it, nothing for a switch that is off.
func defaultText(value any) string {
	switch x := value.(type) {
	case bool:
		if !x {
			return ""
		}
	case []string:
		return strings.Join(x, ",")
	}
	return fmt.Sprint(value)
}

// methodList is a line for each method: what --help says of them.
func methodList() string {
	var b strings.Builder
	for _, k := range dept.Kinds {
		fmt.Fprintf(&b, "  %-8s %s: %s\n", k.Name, k.Title, k.About)
	}
	return b.String()
}
