// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// Protocol is the encoding of messages inside frames. The server detects which one is used.
type Protocol int

const (
	// Binary is Thrift's strict binary protocol, the fastest one and the default.
	Binary Protocol = iota
	// Compact is Thrift's compact protocol: fewer bytes for small numbers, not for tensors.
	Compact
)

const (
	defaultTimeout        = time.Second
	defaultConnectTimeout = time.Second
	defaultFrameBytesMax  = 16_384_000
)

// Options configure a Client. The zero value of every field means its default.
type Options struct {
	// Timeout bounds a call whose context has no deadline, waiting and connecting included.
	// Default: 1 s.
	Timeout time.Duration
	// ConnectTimeout bounds the dialling of a connection, within the call's deadline.
	// Default: 1 s.
	ConnectTimeout time.Duration
	// Protocol is Binary (default) or Compact.
	Protocol Protocol
	// FrameBytesMax bounds a message in either direction, in bytes. It is to be that of the
	// server. Default: 16,384,000.
	FrameBytesMax int
	// AuthToken is sent as bearer token with every request that has a context; the methods
	// score_values, score_named and those about servers and models have none.
	AuthToken string
}

// withDefaults fills in the defaults and refuses values out of range.
func (o Options) withDefaults() (Options, error) {
	if o.Timeout < 0 || o.ConnectTimeout < 0 {
		return o, invalid("timeouts must not be negative, received Timeout %v, ConnectTimeout %v",
			o.Timeout, o.ConnectTimeout)
	}
	if o.Protocol != Binary && o.Protocol != Compact {
		return o, invalid("protocol must be Binary or Compact, received %d", o.Protocol)
	}
	if o.FrameBytesMax < 0 || o.FrameBytesMax > math.MaxInt32 {
		return o, invalid("FrameBytesMax must be 1 to %d, received %d",
			math.MaxInt32, o.FrameBytesMax)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if o.FrameBytesMax == 0 {
		o.FrameBytesMax = defaultFrameBytesMax
	}
	return o, nil
}

// protocolOver returns the protocol that reads and writes messages on transport. Strings and
// containers of a reply have the limit of its frame.
func (o Options) protocolOver(transport thrift.TTransport) thrift.TProtocol {
	configuration := &thrift.TConfiguration{
		MaxMessageSize:     int32(o.FrameBytesMax),
		MaxFrameSize:       int32(o.FrameBytesMax),
		TBinaryStrictRead:  thrift.BoolPtr(true),
		TBinaryStrictWrite: thrift.BoolPtr(true),
	}
	if o.Protocol == Compact {
		return thrift.NewTCompactProtocolConf(transport, configuration)
	}
	return thrift.NewTBinaryProtocolConf(transport, configuration)
}

// address is where a server listens.
type address struct {
	network, target string
}

// parseEndpoint reads "host:port" and "unix:/path".
func parseEndpoint(endpoint string) (address, error) {
	if path, isUnix := strings.CutPrefix(endpoint, "unix:"); isUnix {
		if path == "" {
			return address{}, invalid("endpoint %q has no path after unix:", endpoint)
		}
		return address{"unix", path}, nil
	}
	if _, port, err := net.SplitHostPort(endpoint); err != nil || port == "" {
		return address{}, invalid("endpoint must be host:port or unix:/path, received %q", endpoint)
	}
	return address{"tcp", endpoint}, nil
}

// A CallOption changes one call.
type CallOption func(*callSettings)

// callSettings are what a call sends beside its data.
type callSettings struct {
	model   string
	version string
	context *thriftscoreidl.RequestContext
}

// WithVersion asks for a version of the model by number ("3") or label ("stable") instead of its
// default version.
func WithVersion(version string) CallOption {
	return func(settings *callSettings) { settings.version = version }
}

// WithRequestID names the request, in at most 128 bytes, in the server's logs and in the reply. A
// reply that does not carry the same identifier is refused with ErrProtocolViolation.
func WithRequestID(id string) CallOption {
	return func(settings *callSettings) { settings.context.RequestID = &id }
}

// WithTraceparent sends the W3C Trace Context of the caller's span.
func WithTraceparent(traceparent string) CallOption {
	return func(settings *callSettings) { settings.context.Traceparent = &traceparent }
}

// settings applies the options to a call for a model.
func (c *Client) settings(model string, options []CallOption) *callSettings {
	settings := &callSettings{model: model, context: &thriftscoreidl.RequestContext{}}
	if c.options.AuthToken != "" {
		settings.context.AuthToken = &c.options.AuthToken
	}
	for _, option := range options {
		option(settings)
	}
	return settings
}

// checkEcho refuses a reply to another request than the one sent.
func (s *callSettings) checkEcho(received *string) error {
	if s.context.RequestID == nil {
		return nil
	}
	return checkEcho("request_id", *s.context.RequestID, received)
}

func checkEcho(field, sent string, received *string) error {
	if received != nil && *received == sent {
		return nil
	}
	found := "none"
	if received != nil {
		found = fmt.Sprintf("%.200q", *received)
	}
	return violation("expected a reply with %s %q, received %s", field, sent, found)
}
