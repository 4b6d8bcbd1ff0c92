// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"sync"
	"time"
)

// ticket is what a call on a connection holds while it waits. Its fields are guarded by the mutex
// of the connection until the call has left it.
type ticket struct {
	method   string
	sequence int32
	deadline time.Time
	signal   chan struct{} // has a token once something below has changed
	timer    *time.Timer   // made when it is first needed

	isAwaiting    bool // has been sent, so that it may read for others
	isWriting     bool
	isInterrupted bool
	isFinished    bool
	reply         []byte
	failure       error
}

var tickets = sync.Pool{New: func() any { return &ticket{signal: make(chan struct{}, 1)} }}

func newTicket(method string, deadline time.Time) *ticket {
	fresh := tickets.Get().(*ticket)
	fresh.method, fresh.deadline = method, deadline
	return fresh
}

// recycle gives a ticket back that no connection and no context knows any more.
func (t *ticket) recycle() {
	select {
	case <-t.signal:
	default:
	}
	*t = ticket{signal: t.signal, timer: t.timer, reply: kept(t.reply)}
	tickets.Put(t)
}

// notify wakes the caller. It must be called with the mutex of the connection held.
func (t *ticket) notify() {
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

// finish gives the call what it waits for. It must be called with the mutex of the connection held.
func (t *ticket) finish(reply []byte, failure error) {
	t.isFinished, t.reply, t.failure = true, reply, failure
	t.notify()
}

// readDeadline is when reading for the call ends.
func (t *ticket) readDeadline() time.Time {
	if t.isInterrupted {
		return longAgo
	}
	return t.deadline
}

// cause is why the I/O of the call failed: what broke the connection meanwhile, or err.
func (t *ticket) cause(err error) error {
	if t.failure == nil || isTimeout(err) {
		return err
	}
	return t.failure
}

// startTimer returns a channel that has a value at the deadline.
func (t *ticket) startTimer() <-chan time.Time {
	left := time.Until(t.deadline)
	if t.timer == nil {
		t.timer = time.NewTimer(left)
	} else {
		t.timer.Reset(left)
	}
	return t.timer.C
}
