// SPDX-License-Identifier: Apache-2.0

//go:build unix

package thriftscore

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// alive reports whether an idle connection can carry a call: still open, and with nothing to read,
// for bytes that come before a request cannot be its reply. Two kinds may come: late replies to
// calls that were given up, and what TLS says to itself.
func (c *connection) alive() bool {
	socket, mayHold := c.socket, c.owesReplies()
	if secured, isSecured := socket.(*tls.Conn); isSecured {
		socket, mayHold = secured.NetConn(), true
	}
	count, err := peek(socket)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EAGAIN) {
		return true
	}
	return err == nil && count > 0 && mayHold
}

// peek looks at what has arrived, without waiting: EAGAIN if that is nothing.
func peek(socket net.Conn) (count int, err error) {
	source, isSystem := socket.(syscall.Conn)
	if !isSystem {
		return 0, errors.ErrUnsupported
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return 0, err
	}
	var buffer [1]byte
	var failure error
	err = raw.Control(func(descriptor uintptr) {
		const flags = syscall.MSG_PEEK | syscall.MSG_DONTWAIT
		count, _, failure = syscall.Recvfrom(int(descriptor), buffer[:], flags)
	})
	return count, errors.Join(err, failure)
}
