// SPDX-License-Identifier: Apache-2.0

// Package serverprocess runs a thriftscore server with the conformance models for the tests of the
// Go client. It needs the repository that the client is part of, with its Python environment.
package serverprocess

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 40 * time.Second
	pollInterval = 10 * time.Millisecond
)

// Server is a running server.
type Server struct {
	Port    int
	process *exec.Cmd
	exited  chan error
	log     bytes.Buffer // read it only after exited
}

// Endpoint is where the server listens.
func (s *Server) Endpoint() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Root is the folder of the whole project: the nearest one above that holds the contract.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		contract := filepath.Join(folder, "thrift_idl", "thriftscore.thrift")
		if _, err := os.Stat(contract); err == nil {
			return folder
		}
	}
	t.Fatal("no folder above holds thrift_idl/thriftscore.thrift")
	return ""
}

// NewRepository writes the conformance models to a new folder and returns it.
func NewRepository(t testing.TB) string {
	t.Helper()
	root, repository := Root(t), t.TempDir()
	python := filepath.Join(root, ".venv", "bin", "python")
	models := filepath.Join(root, "tests", "conformance", "models.py")
	if output, err := exec.Command(python, models, repository).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", models, err, output)
	}
	return repository
}

// IO is which data port a server has.
type IO string

const (
	// Native is the default one, in C++. It takes all transports.
	Native IO = "native"
	// Python is the other one, on the stock Thrift library. It takes framed messages only.
	Python IO = "python"
)

// Start serves a repository on a native data port until the test ends. Port 0 takes a free one.
func Start(t testing.TB, repository string, port int) *Server {
	t.Helper()
	return StartIO(t, repository, port, Native)
}

// StartIO is Start with a choice of the data port.
func StartIO(t testing.TB, repository string, port int, io IO) *Server {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	server := &Server{exited: make(chan error, 1)}
	server.process = exec.Command(filepath.Join(Root(t), ".venv", "bin", "thriftscore"), "serve",
		"--repository", repository, "--port", strconv.Itoa(port), "--admin-port", "0",
		"--io", string(io), "--ready-file", ready)
	server.process.Stdout, server.process.Stderr = &server.log, &server.log
	if err := server.process.Start(); err != nil {
		t.Fatalf("%v; build the server first: make demo, or make test", err)
	}
	go func() { server.exited <- server.process.Wait() }()
	t.Cleanup(func() { server.Stop(t) })
	server.awaitReady(t, ready)
	return server
}

// awaitReady waits for the file that the server writes when it takes calls.
func (s *Server) awaitReady(t testing.TB, path string) {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		var ready struct{ Port int }
		content, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(content, &ready) == nil && ready.Port > 0 {
			s.Port = ready.Port
			return
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			t.Fatalf("the server ended before it was ready: %v\n%s", err, s.log.String())
		case <-time.After(pollInterval):
		}
	}
	t.Fatalf("the server was not ready after %v", startTimeout)
}

// Stop ends the server in an orderly way and waits for it. Stopping it again does nothing.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		s.exited <- err
		if t.Failed() {
			t.Logf("the server ended with %v and wrote:\n%s", err, s.log.String())
		}
	case <-time.After(stopTimeout):
		_ = s.process.Process.Kill()
		t.Errorf("the server did not stop within %v", stopTimeout)
	}
}
