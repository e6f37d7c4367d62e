package main

import (
	"fmt"

	"github.com/spf13/cobra"

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
			for _, a := range adapters {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", a, a.Driver, a.Features)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
