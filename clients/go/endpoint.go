// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"net"
	"net/netip"
	"strings"
)

// targetSeparator is between the targets of a server that has several.
const targetSeparator = ","

// address is where a server listens.
type address struct {
	network string
	target  string // or several, of which the first that can be dialled is used
	host    string // what its certificate must name
}

// endpoint is where servers are, as the caller wrote it.
type endpoint struct {
	address
	text string
	port string // empty for Unix sockets
}

// isName reports whether the endpoint stands for the addresses of a name.
func (e endpoint) isName() bool {
	if e.network == "unix" {
		return false
	}
	_, err := netip.ParseAddr(e.host)
	return err != nil && e.host != ""
}

// parseEndpoint reads "host:port", "[IPv6 address]:port" and "unix:/path".
func parseEndpoint(text string) (endpoint, error) {
	text = strings.TrimSpace(text)
	if path, isUnix := strings.CutPrefix(text, "unix:"); isUnix {
		if path == "" {
			return endpoint{}, invalid("endpoint %q has no path after unix:", text)
		}
		return endpoint{address{"unix", path, "localhost"}, text, ""}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return endpoint{}, invalid("endpoint must be host:port or unix:/path, received %q", text)
	}
	return endpoint{address{"tcp", text, host}, text, port}, nil
}
