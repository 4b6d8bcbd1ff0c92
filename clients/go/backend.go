// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failuresMax is how many transport failures in a row put a backend out of service.
	failuresMax    = 3
	ejectionMin    = 100 * time.Millisecond
	ejectionMax    = 10 * time.Second
	ejectionJitter = 0.2
	// latencyWeight is that of a new latency in the average; latencyHalfLife is how fast an
	// average that nothing is added to loses its weight, so that what was slow is tried again.
	latencyWeight   = 0.2
	latencyHalfLife = 5 * time.Second
)

// backend is one address of a server, with its connections and what is known of its health. It is
// safe for concurrent use.
type backend struct {
	name     string // for messages: the endpoint, and which of its addresses
	endpoint string
	address  address
	pool     *pool

	outstanding atomic.Int32

	mutex        sync.Mutex // guards the fields below
	failures     int        // transport failures in a row
	ejections    int        // in a row, without a success between
	ejectedUntil time.Time  // zero = in service
	isProbed     bool       // out of service, with one call that finds out if it is back
	latency      float64    // moving average of successful calls, in seconds; 0 = unknown
	measuredAt   time.Time
}

func newBackend(at located, codec *codec) *backend {
	created := &backend{name: at.name, endpoint: at.endpoint, address: at.address}
	options := codec.options
	created.pool = newPool(codec, func(ctx context.Context, deadline time.Time) (net.Conn, error) {
		return dial(ctx, created.address, options, deadline)
	})
	return created
}

// dial connects within the deadline and the connect timeout, TLS included.
func dial(ctx context.Context, to address, options Options, deadline time.Time) (net.Conn, error) {
	if latest := time.Now().Add(options.ConnectTimeout); latest.Before(deadline) {
		deadline = latest
	}
	socket, err := dialTarget(ctx, to, deadline)
	if err != nil || options.TLS == nil {
		return socket, err // Go disables Nagle's algorithm by itself
	}
	configuration := options.TLS.Clone()
	if configuration.ServerName == "" {
		configuration.ServerName = to.host
	}
	secured := tls.Client(socket, configuration)
	err = socket.SetDeadline(deadline)
	if err == nil {
		err = secured.HandshakeContext(ctx)
	}
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return secured, nil
}

// dialTarget connects to the first target that can be.
func dialTarget(ctx context.Context, to address, deadline time.Time) (socket net.Conn, err error) {
	dialer := net.Dialer{Deadline: deadline}
	if to.network == "unix" {
		return dialer.DialContext(ctx, to.network, to.target)
	}
	for target := range strings.SplitSeq(to.target, targetSeparator) {
		if socket, err = dialer.DialContext(ctx, to.network, target); err == nil {
			return socket, nil
		}
	}
	return nil, err
}

// standing is whether a backend may be given a call.
type standing int

const (
	inService standing = iota
	outOfService
	due // out of service, and its time is over: one call is to find out if it is back
)

// standingAt returns the standing and, of one that is out of service, when it is due back.
func (b *backend) standingAt(now time.Time) (standing, time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	switch {
	case b.ejectedUntil.IsZero():
		return inService, time.Time{}
	case b.isProbed || now.Before(b.ejectedUntil):
		return outOfService, b.ejectedUntil
	default:
		return due, b.ejectedUntil
	}
}

// probe takes the one call that a backend that is due gets; false if another was faster.
func (b *backend) probe(now time.Time) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.ejectedUntil.IsZero() || b.isProbed || now.Before(b.ejectedUntil) {
		return false
	}
	b.isProbed = true
	return true
}

// forgoProbe leaves the probe to another call.
func (b *backend) forgoProbe() {
	b.mutex.Lock()
	b.isProbed = false
	b.mutex.Unlock()
}

// cost is what the balancer compares: calls that wait times how long one takes.
func (b *backend) cost(now time.Time) float64 {
	b.mutex.Lock()
	latency, age := b.latency, now.Sub(b.measuredAt)
	b.mutex.Unlock()
	if age > latencyHalfLife/10 {
		latency *= math.Exp2(-age.Seconds() / latencyHalfLife.Seconds())
	}
	return latency * float64(b.outstanding.Load()+1)
}

// succeeded notes an answer, after the time that it took; it says whether the backend was out of
// service until now.
func (b *backend) succeeded(now time.Time, took time.Duration) (isRecovered bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	isRecovered = !b.ejectedUntil.IsZero()
	b.failures, b.ejections, b.ejectedUntil, b.isProbed = 0, 0, time.Time{}, false
	if b.latency == 0 {
		b.latency = took.Seconds()
	}
	b.latency += latencyWeight * (took.Seconds() - b.latency)
	b.measuredAt = now
	return isRecovered
}

// failed notes the end of an attempt without success, and returns for how long that puts the
// backend out of service; 0 = not.
func (b *backend) failed(now time.Time, err error) time.Duration {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	wasProbed := b.isProbed
	b.isProbed = false
	switch {
	case errors.Is(err, ErrConnectFailed), errors.Is(err, ErrUnavailable):
	case isTransportFailure(err):
		b.failures++
		if b.failures < failuresMax && !wasProbed {
			return 0
		}
	default: // an answer like any other, or none that says anything about the server
		if isAnswer(err) {
			b.failures, b.ejections, b.ejectedUntil = 0, 0, time.Time{}
		}
		return 0
	}
	if !wasProbed && now.Before(b.ejectedUntil) {
		return 0 // a call that was on its way when another one found out
	}
	pause := min(ejectionMax, ejectionMin<<min(b.ejections, 10))
	pause = time.Duration(float64(pause) * (1 + ejectionJitter*(2*rand.Float64()-1)))
	b.ejections++
	b.failures = 0
	b.ejectedUntil = now.Add(pause)
	return pause
}

func isTransportFailure(err error) bool {
	var failure *TransportError
	return errors.As(err, &failure) && failure.Op != "wait" &&
		!errors.Is(err, ErrClosed) && !errors.Is(err, context.Canceled)
}

func isAnswer(err error) bool {
	var answer *ServerError
	return errors.As(err, &answer)
}
