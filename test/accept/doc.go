// Package accept holds the tests that use Tidemill as its users do: the built binary, its command line and its doors.
package accept
