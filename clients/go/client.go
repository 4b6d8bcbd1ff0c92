// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Client calls the servers at its endpoints. It is safe for use by many goroutines at once, and
// made to be shared by them: one client for all calls of a process is enough.
type Client struct {
	endpoints string // for messages
	options   Options
	resolver  *resolver
	budget    *budget
	latencies *latencies

	ending sync.Once
	closed chan struct{}  // closed by Close
	upkeep sync.WaitGroup // the goroutine that maintains the pools
}

// New returns a client of the servers at the endpoints, separated by commas, each "host:port",
// "[IPv6 address]:port" or "unix:/path". A name stands for all its addresses. New does not connect:
// the first call does. The error wraps ErrInvalidArgument.
func New(endpoints string, options Options) (*Client, error) {
	return NewWithEndpoints(strings.Split(endpoints, ","), options)
}

// NewWithEndpoints is New for a list of endpoints.
func NewWithEndpoints(endpoints []string, options Options) (*Client, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	resolver, err := newResolver(endpoints, options)
	if err != nil {
		return nil, err
	}
	created := &Client{
		endpoints: strings.Join(endpoints, ","),
		options:   options,
		resolver:  resolver,
		budget:    newBudget(),
		latencies: newLatencies(options.Hedging && options.HedgeDelay == 0),
		closed:    make(chan struct{}),
	}
	created.upkeep.Go(created.maintain)
	return created, nil
}

// Close closes the connections. Calls in progress and later ones fail with ErrClosed. Closing a
// closed client does nothing. It always returns nil.
func (c *Client) Close() error {
	c.ending.Do(func() {
		close(c.closed)
		c.resolver.close()
	})
	c.upkeep.Wait()
	return nil
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// maintain looks names up anew and closes connections that lie idle, until the client is closed.
func (c *Client) maintain() {
	sweeps := time.NewTicker(max(min(c.options.IdleTimeout, c.options.ConnectionAgeMax)/4,
		time.Millisecond))
	defer sweeps.Stop()
	lookups := time.NewTicker(c.options.ResolveInterval)
	defer lookups.Stop()
	for {
		select {
		case <-c.closed:
			return
		case now := <-sweeps.C:
			c.resolver.sweep(now)
		case <-lookups.C:
			c.resolver.refresh()
		case <-c.resolver.stale:
			c.resolver.refresh()
		}
	}
}

func (c *Client) log(level slog.Level, text string, attributes ...slog.Attr) {
	c.options.Logger.LogAttrs(context.Background(), level, text, attributes...)
}
