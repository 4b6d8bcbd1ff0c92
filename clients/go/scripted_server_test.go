// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// exchange is one call that has arrived at a scriptedServer.
type exchange struct {
	connection net.Conn
	method     string
	sequence   int32
	reply      []byte        // what the handler answers, without the frame header
	stop       chan struct{} // closed when the test ends
}

// behaviour does something with an exchange; false ends the connection.
type behaviour func(*exchange) bool

// answer is the honest behaviour.
func answer(call *exchange) bool { return call.send(frame(call.reply)) }

// send writes bytes as they are.
func (e *exchange) send(data []byte) bool {
	_, err := e.connection.Write(data)
	return err == nil
}

// frame puts the header before a message.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)
}

// scriptedServer is a real server whose first calls follow a script; later ones get the answers of
// its handler, through the generated processor and the Thrift library's own protocol.
type scriptedServer struct {
	listener  net.Listener
	processor thrift.TProcessor
	compact   bool
	stop      chan struct{}
	running   sync.WaitGroup

	mutex    sync.Mutex
	script   []behaviour
	accepted int
	open     map[net.Conn]bool
}

// newScriptedServer listens on a TCP port until the test ends.
func newScriptedServer(t testing.TB, handler idl.ScoringService,
	script ...behaviour) *scriptedServer {
	t.Helper()
	return serveScript(t, "tcp", "127.0.0.1:0", handler, script)
}

func serveScript(t testing.TB, network, address string, handler idl.ScoringService,
	script []behaviour) *scriptedServer {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return serveListener(t, listener, handler, script)
}

func serveListener(t testing.TB, listener net.Listener, handler idl.ScoringService,
	script []behaviour) *scriptedServer {
	t.Helper()
	server := &scriptedServer{
		listener:  listener,
		processor: idl.NewScoringServiceProcessor(handler),
		stop:      make(chan struct{}),
		script:    script,
		open:      map[net.Conn]bool{},
	}
	server.running.Add(1)
	go server.accept()
	t.Cleanup(server.close)
	return server
}

// endpoint is what a client dials.
func (s *scriptedServer) endpoint() string {
	if s.listener.Addr().Network() == "unix" {
		return "unix:" + s.listener.Addr().String()
	}
	return s.listener.Addr().String()
}

// connections is how many connections were accepted so far.
func (s *scriptedServer) connections() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.accepted
}

func (s *scriptedServer) close() {
	close(s.stop)
	_ = s.listener.Close()
	s.mutex.Lock()
	for connection := range s.open {
		_ = connection.Close()
	}
	s.mutex.Unlock()
	s.running.Wait()
}

func (s *scriptedServer) accept() {
	defer s.running.Done()
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mutex.Lock()
		s.accepted++
		s.open[connection] = true
		s.mutex.Unlock()
		s.running.Add(1)
		go s.serve(connection)
	}
}

func (s *scriptedServer) serve(connection net.Conn) {
	defer s.running.Done()
	defer func() {
		s.mutex.Lock()
		delete(s.open, connection)
		s.mutex.Unlock()
		_ = connection.Close()
	}()
	for {
		request, err := readFrame(connection)
		if err != nil {
			return
		}
		call, err := s.exchange(connection, request)
		if err != nil || !s.next()(call) {
			return
		}
	}
}

// next takes the behaviour for the next call from the script.
func (s *scriptedServer) next() behaviour {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.script) == 0 {
		return answer
	}
	first := s.script[0]
	s.script = s.script[1:]
	return first
}

func readFrame(source io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(source, header[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint32(header[:]))
	_, err := io.ReadFull(source, message)
	return message, err
}

// exchange lets the handler answer a request.
func (s *scriptedServer) exchange(connection net.Conn, request []byte) (*exchange, error) {
	ctx := context.Background()
	method, _, sequence, err := s.protocol(request).ReadMessageBegin(ctx)
	if err != nil {
		return nil, err
	}
	output := thrift.NewTMemoryBuffer()
	var declared *idl.ScoringError
	_, failure := s.processor.Process(ctx, s.protocol(request), s.protocolOver(output))
	if failure != nil && !errors.As(failure, &declared) && output.Len() == 0 {
		return nil, failure
	}
	return &exchange{connection, method, sequence, output.Bytes(), s.stop}, nil
}

func (s *scriptedServer) protocol(request []byte) thrift.TProtocol {
	input := thrift.NewTMemoryBufferLen(len(request))
	_, _ = input.Write(request)
	return s.protocolOver(input)
}

func (s *scriptedServer) protocolOver(transport thrift.TTransport) thrift.TProtocol {
	if s.compact {
		return thrift.NewTCompactProtocolConf(transport, nil)
	}
	return thrift.NewTBinaryProtocolConf(transport, nil)
}

// echo answers ScoreValues with the values themselves, Score and its kin with their features, and
// keeps the last request.
type echo struct {
	idl.ScoringService
	mutex   sync.Mutex
	request any
}

func (e *echo) keep(request any) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.request = request
}

// last is the last request that was kept.
func (e *echo) last() any {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.request
}

func (e *echo) Ping(context.Context) (bool, error) { return true, nil }

func (e *echo) ScoreValues(_ context.Context, model string, values []float64) ([]float64, error) {
	if model != "echo" {
		return nil, &idl.ScoringError{
			Code:         idl.ErrorCode_MODEL_NOT_FOUND,
			Message:      "no model " + model,
			RetryAfterMs: 250,
		}
	}
	return values, nil
}

func (e *echo) Score(_ context.Context, request *idl.ScoreRequest) (*idl.ScoreResponse, error) {
	e.keep(request)
	columns := max(1, request.GetColumns())
	size := int64(elementBytes[request.Datatype])
	return &idl.ScoreResponse{
		Scores:       request.Features,
		Datatype:     request.Datatype,
		Rows:         int64(len(request.Features)) / size / int64(columns),
		Columns:      columns,
		ModelVersion: "7",
		RequestID:    request.Context.RequestID,
	}, nil
}

func (e *echo) Infer(_ context.Context, request *idl.InferRequest) (*idl.InferResponse, error) {
	e.keep(request)
	return &idl.InferResponse{
		ModelName: request.ModelName,
		ID:        request.ID,
		RequestID: request.Context.RequestID,
		Outputs:   request.Inputs,
	}, nil
}

// newClient returns a client that is closed when the test ends.
func newClient(t testing.TB, endpoint string, options Options) *Client {
	t.Helper()
	client, err := New(endpoint, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// alone are options with one call on one connection at a time, which is never tried again: what
// happens to a call then happens on the next connection that the server accepts.
func alone(timeout time.Duration) Options {
	return Options{
		Timeout:               timeout,
		AttemptsMax:           1,
		CallsPerConnectionMax: 1,
		ConnectionsMax:        1,
	}
}

// expectEcho makes a call that an honest server answers with its own argument.
func expectEcho(t *testing.T, client *Client, value float64) {
	t.Helper()
	scores, err := client.ScoreValues(context.Background(), "echo", []float64{value})
	if err != nil {
		t.Fatalf("call %v: %v", value, err)
	}
	if len(scores) != 1 || scores[0] != value {
		t.Fatalf("call %v received the answer %v", value, scores)
	}
}

func unixPath(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }
