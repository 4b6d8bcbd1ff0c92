// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"encoding/binary"

	"github.com/apache/thrift/lib/go/thrift"
)

const (
	binaryVersion  = 0x8001_0000
	compactID      = 0x82
	compactVersion = 1
)

// head is what a message starts with. Reading it here rather than with the library lets a reply
// find its call without a string being made of its name.
type head struct {
	kind     thrift.TMessageType
	sequence int32
	name     []byte // part of the message
	body     []byte // the rest of the message
}

// parseHead reads the start of a message; the error wraps ErrProtocolViolation.
func parseHead(data []byte, protocol Protocol) (head, error) {
	parsed, isWhole := head{}, false
	if protocol == Compact {
		parsed, isWhole = parseCompactHead(data)
	} else {
		parsed, isWhole = parseBinaryHead(data)
	}
	if !isWhole {
		return head{}, violation("expected a reply in the %s protocol, received %.32q",
			protocol, data)
	}
	return parsed, nil
}

func parseBinaryHead(data []byte) (parsed head, isWhole bool) {
	if len(data) < 8 {
		return head{}, false
	}
	first := binary.BigEndian.Uint32(data)
	length := uint64(binary.BigEndian.Uint32(data[4:]))
	rest := data[8:]
	if first&0xffff_ff00 != binaryVersion || uint64(len(rest)) < length+4 {
		return head{}, false
	}
	return head{
		kind:     thrift.TMessageType(first & 0xff),
		name:     rest[:length],
		sequence: int32(binary.BigEndian.Uint32(rest[length:])),
		body:     rest[length+4:],
	}, true
}

func parseCompactHead(data []byte) (parsed head, isWhole bool) {
	if len(data) < 2 || data[0] != compactID || data[1]&0x1f != compactVersion {
		return head{}, false
	}
	sequence, used := binary.Uvarint(data[2:])
	if used <= 0 {
		return head{}, false
	}
	rest := data[2+used:]
	length, used := binary.Uvarint(rest)
	if used <= 0 || uint64(len(rest)-used) < length {
		return head{}, false
	}
	rest = rest[used:]
	return head{
		kind:     thrift.TMessageType(data[1] >> 5),
		sequence: int32(uint32(sequence)),
		name:     rest[:length],
		body:     rest[length:],
	}, true
}
