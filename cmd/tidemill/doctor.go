package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/doctor"
)

// errUnwell ends the command when a node would not run, or not as it promises.
var errUnwell = errors.New("a node does not run well here")

func newDoctor() *cobra.Command {
	f := &serveFlags{}
	asJSON := false
	cmd := &cobra.Command{Use: "doctor", Short: "Check limits, ports, disk, clock and memory; say what binds first", Args: noArgs,
		Long: "Doctor examines this machine for a node with the same flags, environment and configuration file as serve would have. It measures fsync with a file in the data\n" +
			"directory, which it removes. The exit code is 1 if something fails; warnings are no failures."}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := resolve(cmd.Flags()); err != nil {
			return err
		}
		c, err := f.nodeConfig(io.Discard)
		if err != nil {
			return err
		}
		r := doctor.Examine(cmd.Context(), doctor.Options{DataDir: c.DataDir, Addresses: map[string]string{"http": c.HTTP, "pg": c.PG}})
		if err := writeReport(cmd.OutOrStdout(), &r, asJSON); err != nil {
			return err
		}
		if !r.OK {
			return errUnwell
		}
		return nil
	}
	return cmd
}

func writeReport(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Verdict, f.Check, f.Found)
		if f.Means != "" {
			fmt.Fprintf(t, "\t\t  %s\n", f.Means)
		}
		if f.Raise != "" {
			fmt.Fprintf(t, "\t\t  → %s\n", f.Raise)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, b := range r.Connections {
		lead := "then"
		if i == 0 {
			lead = "\nWhat binds first:"
		}
		fmt.Fprintf(w, "%s %d %s\n  → %s\n", lead, b.At, b.By, b.Raise)
	}
	return nil
}
