package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/sql"
)

// errDiffers ends the command when a view is not what its query says.
var errDiffers = errors.New("the view differs from its query")

func newVerify() *cobra.Command {
	var server string
	var sample float64
	var rows int64
	cmd := &cobra.Command{Use: "verify VIEW", Short: "Recompute a materialized view in batch and compare",
		Long: "Verify computes a view's query again, in batch, over its inputs as of one tick, and compares the answer with the view's content at that tick. The exit code is 1\n" +
			"if they differ.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("verify takes the name of one materialized view, got %q", args)}
			}
			return nil
		}}
	fs := cmd.Flags()
	fs.StringVar(&server, "server", "", "the node's HTTP address (default http://"+defaultHTTP+", or TIDEMILL_SERVER)")
	fs.Float64Var(&sample, "sample", 1, "the part of the rows to compare")
	fs.Int64Var(&rows, "rows", 0, "about how many rows to compare (default all)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !(sample > 0 && sample <= 1) || rows < 0 {
			return usageError{fmt.Errorf("sample is %g, want a part above 0 and up to 1; rows is %d, want a number", sample, rows)}
		}
		c, err := newClient(server)
		if err != nil {
			return err
		}
		defer c.close()
		options := []string{fmt.Sprintf("sample = %g", sample)}
		if rows > 0 {
			options = append(options, fmt.Sprintf("rows = %d", rows))
		}
		a, err := c.sql(cmd.Context(), fmt.Sprintf("VERIFY VIEW %s WITH (%s)", sql.Quote(args[0]), strings.Join(options, ", ")))
		if err != nil {
			return err
		}
		return printVerification(cmd, args[0], a)
	}
	return cmd
}

// printVerification prints the answer to VERIFY VIEW: its verdict, then the rows that differ.
func printVerification(cmd *cobra.Command, view string, a *answer) error {
	out := cmd.OutOrStdout()
	verdict := ""
	for i, r := range a.Rows {
		var result string
		var rows, tick, ms int64
		var note *string
		if len(r) < 6 || json.Unmarshal(r[0], &result) != nil || json.Unmarshal(r[1], &rows) != nil {
			return fmt.Errorf("the server's answer has another form than this program knows")
		}
		if i > 0 {
			sign := map[string]string{"missing": "−", "unexpected": "+"}[result]
			fmt.Fprintf(out, "%s %d × %s\n", sign, rows, r[2])
			continue
		}
		verdict = result
		if json.Unmarshal(r[3], &tick) != nil || json.Unmarshal(r[4], &ms) != nil || json.Unmarshal(r[5], &note) != nil {
			return fmt.Errorf("the server's answer has another form than this program knows")
		}
		fmt.Fprintf(out, "%s: %s, %d rows compared at tick %d in %d ms\n", view, result, rows, tick, ms)
		if note != nil {
			fmt.Fprintln(out, *note)
		}
		if len(a.Rows) > 1 {
			fmt.Fprintln(out, "− is missing in the view, + is not in the query's answer:")
		}
	}
	if verdict == "differs" {
		return errDiffers
	}
	return nil
}
