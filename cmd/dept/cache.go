package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-dept/dept/hub"
)

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "List, verify or remove what was brought from the Hugging Face Hub",
		Long: `The cache is the one of Python's huggingface_hub: HF_HUB_CACHE, else the folder hub in
HF_HOME, else ~/.cache/huggingface/hub.`,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the models and data sets in the cache",
		Args:  cobra.NoArgs,
		RunE:  work(func(cmd *cobra.Command, _ []string) error { return listCache(cmd) }),
	}, &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Compute the checksums of what is in the cache, or of those named",
		RunE:  work(verifyCache),
	}, &cobra.Command{
		Use:   "remove NAME...",
		Short: "Remove models and data sets from the cache",
		Args:  cobra.MinimumNArgs(1),
		RunE:  work(removeFromCache),
	})
	return cmd
}

func listCache(cmd *cobra.Command) error {
	client, out := hub.FromEnv(), cmd.OutOrStdout()
	list, err := client.List()
	if err != nil {
		return err
	}
	field(out, "cache", "%s", client.Cache)
	for _, s := range list {
		note := ""
		if s.Partial > 0 {
			note = fmt.Sprintf(", of which %s wait for the rest of their files", size(s.Partial))
		}
		field(out, string(s.Kind), "%s  %s%s", s.Name, size(s.Size), note)
		for _, revision := range s.Revisions {
			field(out, "", "%s", revision)
		}
	}
	return nil
}

// stored gives the repositories that are named, or all.
func stored(client *hub.Client, names []string) ([]hub.Stored, error) {
	list, err := client.List()
	if err != nil || len(names) == 0 {
		return list, err
	}
	var chosen []hub.Stored
	for _, name := range names {
		found := hub.Find(list, strings.TrimPrefix(name, hub.Prefix))
		if len(found) == 0 {
			return nil, fmt.Errorf("%s is not in the cache %s: dept cache list shows what is", name, client.Cache)
		}
		chosen = append(chosen, found...)
	}
	return chosen, nil
}

func verifyCache(cmd *cobra.Command, names []string) error {
	list, err := stored(hub.FromEnv(), names)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	var broken []string
	for _, s := range list {
		v, err := s.Verify(cmd.Context())
		if err != nil {
			return fmt.Errorf("verifying %s: %w", s.Name, err)
		}
		text := plural(v.Right, "file") + " right"
		if v.Unknown > 0 {
			text += fmt.Sprintf(", %d without a checksum to compare", v.Unknown)
		}
		if len(v.Wrong) > 0 {
			text += fmt.Sprintf(", %d wrong", len(v.Wrong))
			broken = append(broken, s.Name)
		}
		field(out, string(s.Kind), "%s  %s", s.Name, text)
		for _, wrong := range v.Wrong {
			field(out, "wrong", "%s", wrong)
		}
	}
	if len(broken) > 0 {
		return errors.New("files are wrong; remove what has them, and bring it anew: dept cache remove " + strings.Join(broken, " "))
	}
	return nil
}

func removeFromCache(cmd *cobra.Command, names []string) error {
	client := hub.FromEnv()
	list, err := stored(client, names)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := client.Remove(s); err != nil {
			return err
		}
		field(cmd.OutOrStdout(), "removed", "%s %s, %s", s.Kind, s.Name, size(s.Size))
	}
	return nil
}
