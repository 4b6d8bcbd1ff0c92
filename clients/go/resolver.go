// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookupTimeout = 5 * time.Second
	// lookupPauseMin bounds the lookups that connect failures ask for.
	lookupPauseMin = time.Second
)

// resolver knows the backends of a client: one for each address of its endpoints. It is safe for
// concurrent use.
type resolver struct {
	endpoints []endpoint
	codec     *codec
	lookup    func(ctx context.Context, host string) ([]string, error)
	current   atomic.Pointer[[]*backend]
	stale     chan struct{} // has a token when a lookup was asked for

	mutex    sync.Mutex // guards the fields below
	known    map[address]*backend
	running  chan struct{} // closed when the lookup that runs is done; nil = none runs
	failure  error         // of the last lookup, if there are no backends
	lookedUp time.Time
	isClosed bool
}

func newResolver(endpoints []string, options Options) (*resolver, error) {
	created := &resolver{
		codec:  newCodec(options),
		lookup: options.LookupHost,
		stale:  make(chan struct{}, 1),
		known:  map[address]*backend{},
	}
	for _, text := range endpoints {
		parsed, err := parseEndpoint(text)
		if err != nil {
			return nil, err
		}
		created.endpoints = append(created.endpoints, parsed)
	}
	if !slices.ContainsFunc(created.endpoints, endpoint.isName) {
		created.publish(created.fixed())
	}
	return created, nil
}

// backends returns those there are, at least one. It waits for the first lookup of names.
func (r *resolver) backends(ctx context.Context, deadline time.Time) ([]*backend, error) {
	if current := r.current.Load(); current != nil {
		return *current, nil
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-r.begin():
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, os.ErrDeadlineExceeded
	}
	if current := r.current.Load(); current != nil {
		return *current, nil
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return nil, r.failure
}

// count is how many backends there are.
func (r *resolver) count() int {
	if current := r.current.Load(); current != nil {
		return len(*current)
	}
	return 0
}

// refreshSoon asks for a lookup, away from the path of the call that asks.
func (r *resolver) refreshSoon() {
	select {
	case r.stale <- struct{}{}:
	default:
	}
}

// refresh starts a lookup of the names, if there are any and the last one is not just over.
func (r *resolver) refresh() {
	r.mutex.Lock()
	isRecent := time.Since(r.lookedUp) < lookupPauseMin
	r.mutex.Unlock()
	if !isRecent && slices.ContainsFunc(r.endpoints, endpoint.isName) {
		r.begin()
	}
}

// begin starts a lookup, unless one runs, and returns what is closed when it is done.
func (r *resolver) begin() <-chan struct{} {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.running == nil {
		r.running = make(chan struct{})
		go r.resolve()
	}
	return r.running
}

// resolve looks all names up and publishes the addresses. A name that cannot be looked up keeps
// those it had.
func (r *resolver) resolve() {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	found := r.fixed()
	var failures error
	for _, each := range r.endpoints {
		if !each.isName() {
			continue
		}
		hosts, err := r.lookup(ctx, each.host)
		if err != nil {
			failures = errors.Join(failures, err)
			found = append(found, r.addressesOf(each)...)
			continue
		}
		if len(hosts) > 0 {
			found = append(found, each.addresses(hosts)...)
		}
	}
	r.publish(found)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if failures == nil {
		failures = errors.New("the endpoints have no addresses")
	}
	r.failure, r.lookedUp = failures, time.Now()
	close(r.running)
	r.running = nil
}

// fixed are the addresses that need no lookup.
func (r *resolver) fixed() []located {
	var found []located
	for _, each := range r.endpoints {
		if !each.isName() {
			found = append(found, located{each.address, each.text, each.text})
		}
	}
	return found
}

// addressesOf are the present addresses of a name.
func (r *resolver) addressesOf(name endpoint) []located {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var found []located
	for _, each := range r.known {
		if each.endpoint == name.text {
			found = append(found, located{each.address, each.name, each.endpoint})
		}
	}
	return found
}

// publish makes these the addresses: backends of those that are new are made, of those that are
// gone drained; the others keep their connections and what is known of them.
func (r *resolver) publish(found []located) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(found) == 0 || r.isClosed {
		return
	}
	known := map[address]*backend{}
	var backends []*backend
	for _, each := range found {
		if known[each.address] != nil {
			continue
		}
		kept := r.known[each.address]
		if kept == nil {
			kept = newBackend(each, r.codec)
		}
		known[each.address] = kept
		backends = append(backends, kept)
	}
	for where, gone := range r.known {
		if known[where] == nil {
			gone.pool.drain(&callError{"connect", errWithdrawn})
		}
	}
	r.known = known
	r.current.Store(&backends)
}

// errWithdrawn is why a call is not sent to an address that its name does not have any more.
var errWithdrawn = errors.New("the name of the server does not have this address any more")

func (r *resolver) sweep(now time.Time) {
	if current := r.current.Load(); current != nil {
		for _, each := range *current {
			each.pool.sweep(now)
		}
	}
}

// close closes all connections, and ends all calls.
func (r *resolver) close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.isClosed = true
	for _, each := range r.known {
		each.pool.close(ErrClosed)
	}
}

// located is an address with its name for messages and the endpoint that it belongs to.
type located struct {
	address
	name, endpoint string
}

// addresses are those of a name that was looked up. A name of this very machine is one server,
// whichever of its loopback addresses it listens on.
func (e endpoint) addresses(hosts []string) []located {
	var targets []string
	for _, host := range hosts {
		targets = append(targets, net.JoinHostPort(host, e.port))
	}
	if !slices.ContainsFunc(hosts, isRemote) {
		local := address{"tcp", strings.Join(targets, targetSeparator), e.host}
		return []located{{local, e.text, e.text}}
	}
	var found []located
	for index, target := range targets {
		name := fmt.Sprintf("%s (%s)", e.text, hosts[index])
		found = append(found, located{address{"tcp", target, e.host}, name, e.text})
	}
	return found
}

func isRemote(host string) bool {
	parsed, err := netip.ParseAddr(host)
	return err != nil || !parsed.IsLoopback()
}
