// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// Protocol is the encoding of messages. The server detects which one is used.
type Protocol int

const (
	// Binary is Thrift's strict binary protocol, the fastest one and the default.
	Binary Protocol = iota
	// Compact is Thrift's compact protocol: fewer bytes for small numbers, not for tensors.
	Compact
)

// String is the name of the protocol in lower case.
func (p Protocol) String() string {
	if p == Compact {
		return "compact"
	}
	return "binary"
}

// Transport is what is put around messages. The server detects which one is used.
type Transport int

const (
	// Framed puts the length before each message. It is the default.
	Framed Transport = iota
	// Unframed puts nothing around messages, for servers that have no other transport. Where a
	// reply ends is found out by reading over it, which takes longer.
	Unframed
	// Header is THeader without transforms.
	Header
)

const (
	defaultTimeout         = time.Second
	defaultConnectTimeout  = time.Second
	defaultFrameBytesMax   = 16_384_000
	defaultCallsMax        = 32
	defaultConnectionsMax  = 2
	defaultSoleConnections = 16
	defaultIdleTimeout     = 60 * time.Second
	defaultConnectionAge   = 300 * time.Second
	defaultResolveInterval = 30 * time.Second
	defaultAttemptsMax     = 3
	defaultChunkRows       = 16_384
	defaultChunksMax       = 8
)

// Options configure a Client. The zero value of every field means its default.
type Options struct {
	// Timeout bounds a call whose context has no deadline: waiting, connecting and retries
	// included. Default: 1 s.
	Timeout time.Duration
	// ConnectTimeout bounds the dialling of a connection, within the call's deadline. A call that
	// can be tried at another server gives it half of its time at most. Default: 1 s.
	ConnectTimeout time.Duration
	// Protocol is Binary (default) or Compact.
	Protocol Protocol
	// Transport is Framed (default), Unframed or Header.
	Transport Transport
	// FrameBytesMax bounds a message in either direction, in bytes. It is to be that of the
	// server. Default: 16,384,000.
	FrameBytesMax int
	// AuthToken is sent as bearer token with every request that has a context; the methods
	// score_values, score_named and those about servers and models have none.
	AuthToken string
	// TLS, where it is set, encrypts all TCP and Unix connections; its ServerName, where it is
	// empty, is the host of the endpoint ("localhost" for Unix sockets). Default: none.
	TLS *tls.Config

	// CallsPerConnectionMax is how many calls may be on a connection at once. With 1 each call
	// has its connection to itself. Default: 32.
	CallsPerConnectionMax int
	// ConnectionsMax is how many connections there may be to each address. Default: 2, or 16
	// where CallsPerConnectionMax is 1.
	ConnectionsMax int
	// IdleTimeout is after how long an unused connection is closed. It should be less than that
	// of the server, 300 s. Default: 60 s.
	IdleTimeout time.Duration
	// ConnectionAgeMax, give or take a tenth, is how old a connection becomes, so that load
	// finds new servers. Default: 300 s.
	ConnectionAgeMax time.Duration
	// ResolveInterval is how often names are looked up anew. Default: 30 s.
	ResolveInterval time.Duration
	// LookupHost looks up the addresses of a name. Default: that of net.DefaultResolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	// AttemptsMax is how often a call is sent at most; 1 turns retries off. Default: 3.
	AttemptsMax int
	// Hedging sends a call that takes long to a second server, and takes the answer that comes
	// first. Default: off.
	Hedging bool
	// HedgeDelay is after how long a call is hedged. Default: the 0.95 quantile of latencies.
	HedgeDelay time.Duration

	// ChunkRows is how many rows ScoreBatch and ScoreSparseBatch send in one request at most.
	// Default: 16,384.
	ChunkRows int
	// ChunksMax is how many requests of one batch are on their way at once. Default: 8.
	ChunksMax int

	// Interceptors surround every call, the first one outermost.
	Interceptors []Interceptor
	// Observer is told of calls and attempts.
	Observer Observer
	// Logger is told of servers that go out of service (WARN), come back (INFO), and of retries
	// (DEBUG). Default: none.
	Logger *slog.Logger
	// Traceparent returns the W3C Trace Context to send with a call, empty for none. WithTraceparent
	// goes before it. The package otel, a module of its own beside this one, has one for
	// OpenTelemetry. Default: none.
	Traceparent func(context.Context) string
}

// withDefaults fills in the defaults and refuses values out of range.
func (o Options) withDefaults() (Options, error) {
	if err := o.check(); err != nil {
		return o, err
	}
	setDefault(&o.Timeout, defaultTimeout)
	setDefault(&o.ConnectTimeout, defaultConnectTimeout)
	setDefault(&o.FrameBytesMax, defaultFrameBytesMax)
	setDefault(&o.CallsPerConnectionMax, defaultCallsMax)
	if o.CallsPerConnectionMax == 1 {
		setDefault(&o.ConnectionsMax, defaultSoleConnections)
	}
	setDefault(&o.ConnectionsMax, defaultConnectionsMax)
	setDefault(&o.IdleTimeout, defaultIdleTimeout)
	setDefault(&o.ConnectionAgeMax, defaultConnectionAge)
	setDefault(&o.ResolveInterval, defaultResolveInterval)
	setDefault(&o.AttemptsMax, defaultAttemptsMax)
	setDefault(&o.ChunkRows, defaultChunkRows)
	setDefault(&o.ChunksMax, defaultChunksMax)
	if o.LookupHost == nil {
		o.LookupHost = net.DefaultResolver.LookupHost
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) check() error {
	for name, value := range map[string]time.Duration{
		"Timeout": o.Timeout, "ConnectTimeout": o.ConnectTimeout, "IdleTimeout": o.IdleTimeout,
		"ConnectionAgeMax": o.ConnectionAgeMax, "ResolveInterval": o.ResolveInterval,
		"HedgeDelay": o.HedgeDelay,
	} {
		if value < 0 {
			return invalid("%s must not be negative, received %v", name, value)
		}
	}
	for name, value := range map[string]int{
		"FrameBytesMax": o.FrameBytesMax, "CallsPerConnectionMax": o.CallsPerConnectionMax,
		"ConnectionsMax": o.ConnectionsMax, "AttemptsMax": o.AttemptsMax,
		"ChunkRows": o.ChunkRows, "ChunksMax": o.ChunksMax,
	} {
		if value < 0 || value > math.MaxInt32 {
			return invalid("%s must be 1 to %d, received %d", name, math.MaxInt32, value)
		}
	}
	if o.Protocol != Binary && o.Protocol != Compact {
		return invalid("Protocol must be Binary or Compact, received %d", o.Protocol)
	}
	if o.Transport < Framed || o.Transport > Header {
		return invalid("Transport must be Framed, Unframed or Header, received %d", o.Transport)
	}
	return nil
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
