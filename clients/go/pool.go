// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"container/list"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// peekedAfter is how long a connection must have been idle to be checked before it is used.
	// A connection that has just carried a reply is not worth a system call.
	peekedAfter = time.Millisecond
	ageJitter   = 0.1
	// dialTimeMin is how long dialling must have taken for a time-out to say something to others.
	dialTimeMin = 100 * time.Millisecond
)

// pool has the connections to one address. It is safe for concurrent use.
type pool struct {
	codec *codec
	dial  func(ctx context.Context, deadline time.Time) (net.Conn, error)

	mutex       sync.Mutex
	connections []*connection // in service; the most recently used idle one is last
	leaving     map[*connection]bool
	dialling    int
	waiters     list.List // of *waiter
	closed      error     // why there are no connections any more; nil = there are
}

// waiter is a call that waits for room on a connection.
type waiter struct{ granted chan grant }

// grant is a connection with room taken for the waiter, or the reason why there is none.
type grant struct {
	connection *connection
	err        error
}

func newPool(codec *codec, dial func(context.Context, time.Time) (net.Conn, error)) *pool {
	return &pool{codec: codec, dial: dial, leaving: map[*connection]bool{}}
}

// acquire takes room for one call on a connection, which release gives back. It dials where all
// connections are in use and there may be more, and waits where there may not. Errors wrap those of
// ctx, time-outs, ErrClosed, or, as a *callError of "connect", those of dialling.
func (p *pool) acquire(ctx context.Context, limit limits) (*connection, error) {
	p.mutex.Lock()
	if p.closed != nil {
		p.mutex.Unlock()
		return nil, p.closed
	}
	if found := p.choose(time.Now()); found != nil {
		p.mutex.Unlock()
		return found, nil
	}
	if p.mayDial() {
		p.dialling++
		p.mutex.Unlock()
		return p.open(ctx, limit.connect)
	}
	own := &waiter{granted: make(chan grant, 1)}
	place := p.waiters.PushBack(own)
	p.mutex.Unlock()
	return p.wait(ctx, limit, place)
}

func (p *pool) mayDial() bool {
	return len(p.connections)+p.dialling < p.codec.options.ConnectionsMax
}

// choose takes room on an idle connection, else, if no more may be dialled, on the one with the
// fewest calls. It is nil if there is none. The caller holds mutex.
func (p *pool) choose(now time.Time) *connection {
	var best *connection
	for index := len(p.connections) - 1; index >= 0; index-- {
		each := p.connections[index]
		if each.retired.Load() || now.After(each.expires) ||
			each.outstanding == 0 && !p.isFresh(each, now) {
			p.retire(each)
			continue
		}
		if best == nil || each.outstanding < best.outstanding {
			best = each
		}
	}
	if best == nil || best.outstanding >= p.codec.options.CallsPerConnectionMax ||
		best.outstanding > 0 && p.mayDial() {
		return nil
	}
	best.outstanding++
	return best
}

// isFresh reports whether an idle connection can be used.
func (p *pool) isFresh(idle *connection, now time.Time) bool {
	age := now.Sub(idle.idleSince)
	return age < peekedAfter || age < p.codec.options.IdleTimeout && idle.alive()
}

// retire takes a connection out of service, and closes it once it has no calls. The caller holds
// mutex.
func (p *pool) retire(used *connection) {
	used.retired.Store(true)
	if index := slices.Index(p.connections, used); index >= 0 {
		p.connections = slices.Delete(p.connections, index, index+1)
	}
	if used.outstanding == 0 {
		delete(p.leaving, used)
		_ = used.socket.Close()
		return
	}
	p.leaving[used] = true
}

// open dials, and lets those who wait have part of the connection.
func (p *pool) open(ctx context.Context, deadline time.Time) (*connection, error) {
	begin := time.Now()
	socket, err := p.dial(ctx, deadline)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.dialling--
	if err == nil && p.closed != nil {
		_ = socket.Close()
		err = p.closed
	}
	if err != nil {
		err = &callError{"connect", err}
		hadTime := time.Now().Before(deadline) || time.Since(begin) > dialTimeMin
		p.refuseWaiters(err, ctx.Err() == nil && hadTime)
		return nil, err
	}
	fresh := newConnection(socket, p.codec)
	jitter := 1 + ageJitter*(2*rand.Float64()-1)
	lifetime := time.Duration(jitter * float64(p.codec.options.ConnectionAgeMax))
	fresh.expires = time.Now().Add(lifetime)
	fresh.outstanding = 1
	p.connections = append(p.connections, fresh)
	p.serveWaiters()
	return fresh, nil
}

// refuseWaiters passes a failure to dial on to those who wait for the same, so that they try
// elsewhere; if it failed for want of time, which they may have, one of them tries instead. The
// caller holds mutex.
func (p *pool) refuseWaiters(err error, isFinal bool) {
	if len(p.connections) > 0 {
		return
	}
	for p.waiters.Len() > 0 {
		first := p.waiters.Remove(p.waiters.Front()).(*waiter)
		if !isFinal {
			first.granted <- grant{nil, errDialAnew}
			return
		}
		first.granted <- grant{nil, err}
	}
}

// errDialAnew tells a waiter to try from the start.
var errDialAnew = errors.New("dial anew")

// wait waits for a grant.
func (p *pool) wait(ctx context.Context, limit limits, place *list.Element) (
	*connection, error) {
	own := place.Value.(*waiter)
	timer := time.NewTimer(time.Until(limit.end))
	defer timer.Stop()
	var err error
	select {
	case given := <-own.granted:
		if errors.Is(given.err, errDialAnew) {
			return p.acquire(ctx, limit)
		}
		return given.connection, given.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = os.ErrDeadlineExceeded
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.waiters.Remove(place)
	select {
	case given := <-own.granted: // at the same moment; someone else can use it
		p.giveBack(given)
	default:
	}
	return nil, err
}

// giveBack undoes a grant. The caller holds mutex.
func (p *pool) giveBack(given grant) {
	if given.connection != nil {
		p.leave(given.connection)
	} else if errors.Is(given.err, errDialAnew) {
		p.refuseWaiters(given.err, false)
	}
}

// release gives the room of a call back, which has left its connection.
func (p *pool) release(used *connection) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.leave(used)
}

// leave is release with mutex held.
func (p *pool) leave(used *connection) {
	used.outstanding--
	if used.outstanding == 0 {
		used.idleSince = time.Now()
	}
	if used.retired.Load() || p.closed != nil {
		p.retire(used)
	}
	p.serveWaiters()
}

// serveWaiters gives room to those who wait, first come, first served. The caller holds mutex.
func (p *pool) serveWaiters() {
	for p.waiters.Len() > 0 && p.closed == nil {
		found := p.choose(time.Now())
		if found == nil && !p.mayDial() {
			return
		}
		first := p.waiters.Remove(p.waiters.Front()).(*waiter)
		if found == nil {
			// Whoever waits dials for himself, for it is his time that it takes.
			first.granted <- grant{nil, errDialAnew}
			return
		}
		first.granted <- grant{found, nil}
	}
}

// sweep closes connections that have been idle for too long or are too old.
func (p *pool) sweep(now time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, each := range slices.Clone(p.connections) {
		isIdle := each.outstanding == 0 && now.Sub(each.idleSince) >= p.codec.options.IdleTimeout
		if isIdle || now.After(each.expires) {
			p.retire(each)
		}
	}
}

// drain takes no more calls, for the reason given; those on connections go on to their end.
func (p *pool) drain(reason error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = reason
	for p.waiters.Len() > 0 {
		p.waiters.Remove(p.waiters.Front()).(*waiter).granted <- grant{nil, reason}
	}
	for _, each := range slices.Clone(p.connections) {
		p.retire(each)
	}
}

// close ends all calls, those on connections too.
func (p *pool) close(reason error) {
	p.drain(reason)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for each := range p.leaving {
		each.fail(reason)
	}
}
