package main

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/demo"
	"github.com/tidemill/tidemill/internal/node"
)

func newDemo() *cobra.Command {
	f := &serveFlags{}
	o := demo.Options{}
	cmd := &cobra.Command{Use: "demo", Short: "Run a node with the greenhouse example and live data", Args: noArgs,
		Long: "Demo runs a node, creates the greenhouse example in it and feeds it with data that moves by itself: a simulated greenhouse and this machine's\n" +
			"own telemetry. It keeps nothing beyond the process, unless --data says where; then the next demo goes on from there."}
	f.register(cmd.Flags())
	cmd.Flags().Float64Var(&o.Speed, "speed", 60, "how much faster than time the greenhouse lives; 60 is a simulated minute a second")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "decides on the weather and on the sensors that fail")
	cmd.Flags().BoolVar(&o.NoMachine, "no-machine", false, "leave this machine's telemetry out")
	cmd.Flags().Lookup("data").DefValue = ""
	cmd.Flags().Lookup("log-level").DefValue = "warn"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := resolve(cmd.Flags()); err != nil {
			return err
		}
		if o.Speed < 1 || o.Speed > 3600 {
			return usageError{fmt.Errorf("speed is %g, want 1 to 3600", o.Speed)}
		}
		if !given(cmd, "data") {
			f.memory = true
		}
		if !given(cmd, "log-level") {
			f.logLevel = "warn"
		}
		c, err := f.nodeConfig(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		o.Logger = c.Logger
		return runDemo(cmd.Context(), c, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// given tells whether a flag was set, on the command line or in another way.
func given(cmd *cobra.Command, name string) bool { return cmd.Flags().Changed(name) }

func runDemo(ctx context.Context, c node.Config, o demo.Options, stdout, stderr io.Writer) error {
	return serve(ctx, c, stderr, func(n *node.Node) (func(), error) {
		feed, err := demo.NewFeed(ctx, demo.Into(n.Database()), o)
		if err != nil {
			return nil, err
		}
		fmt.Fprint(stdout, demoText(n, feed.Summary()))
		feeding, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			feed.Run(feeding)
		}()
		return func() {
			cancel()
			<-ended
		}, nil
	})
}

// demoText says what to look at.
func demoText(n *node.Node, summary string) string {
	text := "\nThe greenhouse is running: " + summary + ".\n\n"
	server := ""
	if a := n.HTTPAddress(); a != "" {
		text += "  page      http://" + a + "/\n"
		if a != defaultHTTP {
			server = " --server http://" + a
		}
		text += "  shell     tidemill sql" + server + "\n"
	}
	if a := n.PGAddress(); a != "" {
		if host, port, err := net.SplitHostPort(a); err == nil {
			text += "  psql      psql -h " + host + " -p " + port + " -d " + node.DefaultDatabase + "\n"
		}
	}
	return text + `
Try in the shell:

  SELECT * FROM board ORDER BY zone;
  SUBSCRIBE TO climate WHERE zone = 'north' AND metric = 'temperature';
  UPDATE limits SET high = 18 WHERE zone = 'north' AND metric = 'temperature'; SELECT * FROM alarms ORDER BY minute DESC LIMIT 5;

Stop with Ctrl-C.
`
}
