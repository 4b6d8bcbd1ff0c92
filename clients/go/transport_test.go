// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// headerFrame is a reply as THeader has it, with the bytes after the fixed part of the header.
func headerFrame(message []byte, after ...byte) []byte {
	header := append([]byte{0x0f, 0xff, 0, 0, 0, 0, 0, 1, 0, byte(len(after) / 4)}, after...)
	return frame(append(header, message...))
}

func TestHeaderOfAReplyIsChecked(t *testing.T) {
	response := &idl.ScoreResponse{Scores: make([]byte, 4), Rows: 1, Columns: 1, Datatype: FP32}
	message := replyTo(t, response)[frameHeaderBytes:]
	options := Options{FrameBytesMax: 1 << 20, Transport: Header}
	for name, received := range map[string][]byte{
		"whole":            headerFrame(message, 0, 0, 0, 0),
		"with information": headerFrame(message, 0, 0, 1, 1, 1, 'k', 1, 'v', 0, 0, 0, 0),
	} {
		if _, err := scoreOn(connectionTo(received, options), 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := headerFrame(message, 0, 0, 0, 0)
	long[frameHeaderBytes+8] = 0xff
	for name, received := range map[string][]byte{
		"no header":         frame(message),
		"other protocol":    headerFrame(message, 2, 0, 0, 0),
		"transforms":        headerFrame(message, 0, 1, 1, 0),
		"empty header":      headerFrame(message),
		"header too long":   long,
		"nothing after it":  headerFrame(nil, 0, 0, 0, 0),
		"part of a header":  frame([]byte{0x0f, 0xff, 0}),
		"frame beyond size": {0x7f, 0xff, 0xff, 0xff},
	} {
		_, err := scoreOn(connectionTo(received, options), 1)
		if !errors.Is(err, ErrProtocolViolation) {
			t.Errorf("%s: expected ErrProtocolViolation, received %v", name, err)
		}
	}
}

// dripped gives its bytes one at a time, and a time-out between.
type dripped struct {
	net.Conn
	data  []byte
	given bool
}

func (d *dripped) Read(buffer []byte) (int, error) {
	if d.given = !d.given; !d.given {
		return 0, os.ErrDeadlineExceeded
	}
	if len(d.data) == 0 {
		return 0, io.EOF
	}
	buffer[0] = d.data[0]
	d.data = d.data[1:]
	return 1, nil
}

// What a call that timed out has read of the next reply is not lost to the one that reads on.
func TestReadingGoesOnWhereATimeoutLeftIt(t *testing.T) {
	response := &idl.ScoreResponse{Scores: make([]byte, 400), Rows: 100, Columns: 1, Datatype: FP32}
	framed := replyTo(t, response)
	message := framed[frameHeaderBytes:]
	for name, test := range map[string]struct {
		transport Transport
		sent      []byte
	}{
		"framed":   {Framed, slices.Repeat(framed, 3)},
		"unframed": {Unframed, slices.Repeat(message, 3)},
		"header":   {Header, slices.Repeat(headerFrame(message, 0, 0, 0, 0), 3)},
	} {
		t.Run(name, func(t *testing.T) {
			options := Options{FrameBytesMax: 1 << 20, Transport: test.transport}
			box := inbox{source: &dripped{data: test.sent}, codec: newCodec(options)}
			for received := 0; received < 3; {
				next, _, err := box.next()
				if errors.Is(err, os.ErrDeadlineExceeded) {
					continue
				}
				if err != nil || !bytes.Equal(next, message) {
					t.Fatalf("reply %d: %v, %q", received, err, next)
				}
				received++
			}
			if box.unread() != 0 {
				t.Errorf("%d bytes are left", box.unread())
			}
		})
	}
}

func TestUnframedReplyIsBounded(t *testing.T) {
	response := &idl.ScoreResponse{Scores: make([]byte, 4000), Rows: 1000, Columns: 1}
	message := replyTo(t, response)[frameHeaderBytes:]
	for name, received := range map[string][]byte{
		"too long": message, "no message": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		_, err := scoreOn(connectionTo(received,
			Options{FrameBytesMax: 2000, Transport: Unframed}), 1)
		if !errors.Is(err, ErrProtocolViolation) {
			t.Errorf("%s: expected ErrProtocolViolation, received %v", name, err)
		}
	}
}

// A large reply keeps the buffer that it arrived in; what came behind it is not lost.
func TestLargeAndSmallRepliesOneAfterTheOther(t *testing.T) {
	large, small := make([]byte, 5<<20), []byte("small")
	large[0], large[len(large)-1] = 1, 2
	source := bytes.NewReader(slices.Concat(frame(large), frame(small), frame(large), frame(small)))
	box := inbox{source: source, codec: newCodec(Options{FrameBytesMax: 6 << 20})}
	for _, expected := range [][]byte{large, small, large, small} {
		next, _, err := box.next()
		if err != nil || !bytes.Equal(next, expected) {
			t.Fatalf("expected %d bytes, received %d, %v", len(expected), len(next), err)
		}
	}
}
