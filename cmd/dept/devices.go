package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-dept/dept/wgpu"
)

func devicesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the machine's adapters and their features, the one that is taken first",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			adapters, err := wgpu.Adapters(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), adapters)
			}
			for i, a := range adapters {
				fmt.Fprintf(cmd.OutOrStdout(), "#%d  %s  %s  %s\n", i+1, a, a.Driver, a.Features)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// addDevice registers the flag that names an adapter.
func addDevice(f *pflag.FlagSet, device *string) {
	f.StringVar(device, "device", "", "part of the adapter's name, its kind (cpu, gpu, discrete, integrated) or its number (#1; see dept devices)")
}
