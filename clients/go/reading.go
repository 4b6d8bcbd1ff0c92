// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"os"
	"slices"
)

// await waits for the reply of a call that was sent. Of the callers that wait one, the leader,
// reads; it gives the others what is theirs, and once it has its own reply it passes the reading
// on. Errors are a time-out, that of ctx, or what broke the connection.
func (c *connection) await(ctx context.Context, own *ticket) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	own.isAwaiting = true
	for !own.isFinished {
		var err error
		if c.leader == nil || c.leader == own {
			err = c.lead(own)
		} else {
			err = c.follow(ctx, own)
		}
		if err != nil && !own.isFinished {
			c.abandon(own, errors.Is(context.Cause(ctx), errHedged))
			c.passOn(own)
			return err
		}
	}
	c.passOn(own)
	return own.failure
}

// follow waits until something happens to the call: the reply, the lead, or its end. The caller
// holds mutex.
func (c *connection) follow(ctx context.Context, own *ticket) error {
	c.mutex.Unlock()
	defer c.mutex.Lock()
	if deadline, isSet := ctx.Deadline(); isSet && !deadline.After(own.deadline) {
		select {
		case <-own.signal:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	expired := own.startTimer()
	defer own.timer.Stop()
	select {
	case <-own.signal:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}

// lead reads messages for all until the own reply has come. The caller holds mutex.
func (c *connection) lead(own *ticket) error {
	c.leader = own
	err := c.socket.SetReadDeadline(own.readDeadline())
	for err == nil && !own.isFinished {
		c.mutex.Unlock()
		received, detached, failure := c.inbox.next()
		c.mutex.Lock()
		if err = failure; err == nil {
			err = c.deliver(received, detached)
		}
	}
	// What has arrived with the own reply is given out by the way.
	for err == nil && c.broken == nil && c.inbox.hasNext() {
		received, detached, failure := c.inbox.next()
		if err = failure; err == nil {
			err = c.deliver(received, detached)
		}
	}
	if err != nil && !isTimeout(err) {
		c.mutex.Unlock()
		c.fail(err)
		c.mutex.Lock()
		return nil
	}
	return err
}

// deliver gives a message to the call that it answers. The caller holds mutex.
func (c *connection) deliver(received []byte, detached bool) error {
	parsed, err := parseHead(received, c.codec.options.Protocol)
	if err != nil {
		return err
	}
	index := slices.IndexFunc(c.waiting, func(each *ticket) bool {
		return each.sequence == parsed.sequence
	})
	if index < 0 {
		return c.dropAbandoned(parsed)
	}
	to := c.waiting[index]
	if string(parsed.name) != to.method {
		return violation("expected the reply to %s number %d, received %.200q number %d",
			to.method, to.sequence, parsed.name, parsed.sequence)
	}
	c.waiting = slices.Delete(c.waiting, index, index+1)
	if !detached {
		received = append(to.reply[:0], received...)
	}
	to.finish(received, nil)
	return nil
}

// dropAbandoned takes the late reply of a call that was given up. The caller holds mutex.
func (c *connection) dropAbandoned(parsed head) error {
	index := slices.Index(c.abandoned, parsed.sequence)
	if index >= 0 {
		c.abandoned = slices.Delete(c.abandoned, index, index+1)
		return nil
	}
	if len(c.waiting) == 0 {
		return violation("received %.200q number %d, which answers no call",
			parsed.name, parsed.sequence)
	}
	first := c.waiting[0]
	return violation("expected the reply to %s number %d, received %.200q number %d",
		first.method, first.sequence, parsed.name, parsed.sequence)
}

// passOn gives the reading to the latest call that waits: of those left, most others are answered
// while it waits for its own reply. The caller holds mutex.
func (c *connection) passOn(own *ticket) {
	if c.leader != own {
		return
	}
	c.leader = nil
	for _, each := range slices.Backward(c.waiting) {
		if each.isAwaiting {
			c.leader = each
			each.notify()
			return
		}
	}
	if len(c.waiting) == 0 && len(c.abandoned) == 0 && c.inbox.unread() > 0 {
		c.retired.Store(true) // what has arrived cannot be a reply to a call to come
	}
}
