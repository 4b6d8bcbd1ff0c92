// SPDX-License-Identifier: Apache-2.0

//go:build unix

package thriftscore

import (
	"errors"
	"syscall"
)

// alive reports whether an idle connection can carry a call: still open, and with nothing to read,
// for bytes that come before a request cannot be its reply.
func (c *connection) alive() bool {
	source, isSystem := c.socket.(syscall.Conn)
	if !isSystem {
		return true
	}
	raw, err := source.SyscallConn()
	if err != nil {
		return false
	}
	var peeked error
	var buffer [1]byte
	err = raw.Control(func(descriptor uintptr) {
		const flags = syscall.MSG_PEEK | syscall.MSG_DONTWAIT
		_, _, peeked = syscall.Recvfrom(int(descriptor), buffer[:], flags)
	})
	return err == nil && errors.Is(peeked, syscall.EAGAIN)
}
