// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// gatheredBytesMax is the size from which a request is not copied to be sent with others.
	gatheredBytesMax = 1 << 14
	// stallMax is how long a call may be over before a write to a server that does not read is
	// given up, and the connection with it.
	stallMax = 10 * time.Millisecond
	// stalledTriesMax allows for a process that had no processor for as long as that.
	stalledTriesMax = 3
	// strideMin is how far the numbers of calls are apart at least.
	strideMin = 1<<16 + 1
	// abandonedMax bounds the replies that a connection in service may still owe to hedged calls.
	abandonedMax = 64
)

// longAgo is a deadline that ends all pending and later I/O at once.
var longAgo = time.Unix(1, 0)

// connection is one connection to a server, with any number of calls on it that find their replies
// by sequence id. It has no goroutine of its own: one of the callers that wait reads for all of
// them (see reading.go), so that a lone caller is woken by its own reply and by nothing else. It is
// safe for concurrent use.
type connection struct {
	socket   net.Conn
	codec    *codec
	sequence atomic.Int32
	stride   int32       // odd, so that all numbers come before one comes again
	retired  atomic.Bool // takes no new calls; closed once it has none

	sending   sync.Mutex // guards the fields below and the writing to the socket
	gathered  []byte     // requests that the next flush sends
	isFlusher bool       // whether a caller has promised to flush

	mutex     sync.Mutex // guards the fields below
	waiting   []*ticket  // in the order in which they were sent
	abandoned []int32    // calls whose replies are dropped
	leader    *ticket    // reads for all; only it may use inbox
	broken    error      // set once, when the socket is closed
	inbox     inbox

	// The fields below belong to the pool.
	outstanding int
	expires     time.Time
	idleSince   time.Time
}

func newConnection(socket net.Conn, codec *codec) *connection {
	return &connection{
		socket: socket,
		codec:  codec,
		stride: strideMin + 2*rand.Int32N(strideMin/2),
		inbox:  inbox{source: socket, codec: codec},
	}
}

// nextSequence returns a number for a call. Numbers are far apart, so that a reply with a number
// that is slightly wrong answers no call at all rather than another one.
func (c *connection) nextSequence() int32 {
	return c.sequence.Add(c.stride) & math.MaxInt32
}

// callError is a failure of an attempt with what was being done.
type callError struct {
	operation string
	error
}

func (e *callError) Unwrap() error { return e.error }

// errHedged is why an attempt is ended whose call another attempt has answered.
var errHedged = errors.New("another attempt has answered")

// exchange sends a call and returns its reply, decoded. Errors are what the server declared, or a
// *callError, or local and wrap ErrInvalidArgument.
func (c *connection) exchange(ctx context.Context, call *call, deadline time.Time) (
	reply any, err error) {
	own := newTicket(call.method, deadline)
	own.sequence = c.nextSequence()
	request, err := call.begin(c.codec, own.sequence, deadline)
	if err != nil {
		return nil, err
	}
	if err := c.register(own); err != nil {
		c.codec.recycle(request)
		return nil, &callError{"write", err}
	}
	release := c.interruptible(ctx, own)
	err = c.send(own, request.written)
	c.codec.recycle(request)
	if err != nil {
		c.fail(stalled(err))
		release()
		return nil, &callError{"write", own.cause(err)}
	}
	err = c.await(ctx, own)
	isReusable := release()
	if err != nil {
		return nil, &callError{"read", err}
	}
	reply, err = call.read(c.codec, own.reply)
	if errors.Is(err, ErrProtocolViolation) {
		c.fail(errBrokenByOther)
		return nil, &callError{"read", err}
	}
	if isReusable {
		own.recycle()
	}
	return reply, err
}

// stalled is what the other calls of a connection get when one could not be written: what was a
// time-out to that one is none to them.
func stalled(err error) error {
	if isTimeout(err) {
		return errors.New("closed after a request that could not be sent whole in its time")
	}
	return err
}

// errBrokenByOther is what the other calls of a connection get when a reply to one was nonsense.
var errBrokenByOther = errors.New("closed after a reply to another call that made no sense")

// register makes the connection know a call before its reply can come.
func (c *connection) register(own *ticket) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.broken != nil {
		return c.broken
	}
	c.waiting = append(c.waiting, own)
	return nil
}

// interruptible ends the I/O of a call when ctx is done, until the returned function is called,
// which reports whether that is certain never to happen.
func (c *connection) interruptible(ctx context.Context, own *ticket) (release func() bool) {
	if ctx.Done() == nil {
		return alwaysTrue
	}
	return context.AfterFunc(ctx, func() { c.interrupt(own) })
}

func alwaysTrue() bool { return true }

// interrupt ends what the call is doing on the socket, if it is.
func (c *connection) interrupt(own *ticket) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	own.isInterrupted = true
	if c.leader == own {
		_ = c.socket.SetReadDeadline(longAgo)
	}
	if own.isWriting {
		_ = c.socket.SetWriteDeadline(time.Now().Add(stallMax))
	}
}

// send writes a request, or leaves it to a caller that is about to write. Callers that become ready
// together, as those whose replies arrived together do, are so sent in one write.
func (c *connection) send(own *ticket, request []byte) error {
	isAlone := c.isAlone()
	c.sending.Lock()
	defer c.sending.Unlock()
	if len(request) >= gatheredBytesMax || isAlone {
		if err := c.flush(own); err != nil {
			return err
		}
		return c.write(own, request)
	}
	c.gathered = append(c.gathered, request...)
	if c.isFlusher {
		return nil
	}
	c.isFlusher = true
	c.sending.Unlock()
	runtime.Gosched()
	c.sending.Lock()
	c.isFlusher = false
	return c.flush(own)
}

// isAlone reports whether there is one call on the connection.
func (c *connection) isAlone() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.waiting) == 1
}

// flush writes what was gathered. The caller holds sending.
func (c *connection) flush(own *ticket) error {
	if len(c.gathered) == 0 {
		return nil
	}
	err := c.write(own, c.gathered)
	c.gathered = kept(c.gathered)
	return err
}

// write writes within the deadline of the call. What it writes may be of others in part, so it gets
// a chance to go out even where that deadline is over. The caller holds sending.
func (c *connection) write(own *ticket, data []byte) error {
	var count int
	var err error
	for range stalledTriesMax {
		if err = c.beginWrite(own); err == nil {
			count, err = c.socket.Write(data)
		}
		if err == nil || count > 0 || !isTimeout(err) {
			break
		}
	}
	c.mutex.Lock()
	own.isWriting = false
	c.mutex.Unlock()
	return err
}

func (c *connection) beginWrite(own *ticket) error {
	latest := time.Now().Add(stallMax)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	own.isWriting = true
	if own.deadline.After(latest) && !own.isInterrupted {
		latest = own.deadline
	}
	return c.socket.SetWriteDeadline(latest)
}

// fail closes the connection and ends the calls on it with the cause.
func (c *connection) fail(cause error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.retired.Store(true)
	if c.broken != nil {
		return
	}
	c.broken = cause
	_ = c.socket.Close()
	for _, each := range c.waiting {
		each.finish(nil, cause)
	}
	c.waiting, c.leader = nil, nil
}

// abandon forgets a call whose caller has gone. Its reply, if it comes, is dropped. The caller
// holds mutex.
func (c *connection) abandon(own *ticket, keep bool) {
	index := slices.Index(c.waiting, own)
	if index < 0 {
		return
	}
	c.waiting = slices.Delete(c.waiting, index, index+1)
	c.abandoned = append(c.abandoned, own.sequence)
	if !keep || len(c.abandoned) > abandonedMax {
		c.retired.Store(true)
	}
}

// owesReplies reports whether replies may still come to calls that were given up.
func (c *connection) owesReplies() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.abandoned) > 0
}
