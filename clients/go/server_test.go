// SPDX-License-Identifier: Apache-2.0

package thriftscore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
	"github.com/thriftscore/thriftscore/clients/go/internal/serverprocess"
)

// serverTimeout is generous: the server may share its machine with other tests.
const serverTimeout = 20 * time.Second

func connect(t *testing.T, server *serverprocess.Server, protocol thriftscore.Protocol) (
	*thriftscore.Client, context.Context) {
	t.Helper()
	client, err := thriftscore.New(server.Endpoint(), thriftscore.Options{Protocol: protocol})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	t.Cleanup(cancel)
	return client, ctx
}

// linear is the arithmetic of the model "linear", in double precision.
func linear(area, rooms, age float64) float64 {
	return 0.25 + 0.75*(area-100)/50 - 0.5*(rooms-3)/1.5 + 0.125*(age-20)/10
}

var houses = [][]float64{{100, 3, 20}, {150, 4.5, 30}, {37.5, 1, 99}, {0, 0, 0}}

func expectClose(t *testing.T, actual, expected []float64) {
	t.Helper()
	if len(actual) != len(expected) {
		t.Fatalf("expected %v, received %v", expected, actual)
	}
	for index := range expected {
		difference := math.Abs(actual[index] - expected[index])
		if !(difference <= 1e-6*math.Max(1, math.Abs(expected[index]))) {
			t.Errorf("[%d]: expected %v, received %v", index, expected[index], actual[index])
		}
	}
}

func expectedScores() []float64 {
	var expected []float64
	for _, house := range houses {
		expected = append(expected, linear(house[0], house[1], house[2]))
	}
	return expected
}

func TestServer(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	for name, protocol := range map[string]thriftscore.Protocol{
		"binary": thriftscore.Binary, "compact": thriftscore.Compact,
	} {
		t.Run(name, func(t *testing.T) {
			client, ctx := connect(t, server, protocol)
			t.Run("scores rows of either type", func(t *testing.T) { scoreRows(ctx, t, client) })
			t.Run("scores one row", func(t *testing.T) { scoreOneRow(ctx, t, client) })
			t.Run("scores sparse rows", func(t *testing.T) { scoreSparseRows(ctx, t, client) })
			t.Run("normalises and back", func(t *testing.T) { normalize(ctx, t, client) })
			t.Run("infers", func(t *testing.T) { infer(ctx, t, client) })
			t.Run("describes itself", func(t *testing.T) { describe(ctx, t, client) })
			t.Run("refuses with reasons", func(t *testing.T) { refuse(ctx, t, client) })
		})
	}
}

func scoreRows(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	single := make(thriftscore.Rows[float32], len(houses))
	for index, house := range houses {
		for _, value := range house {
			single[index] = append(single[index], float32(value))
		}
	}
	dense := thriftscore.Dense[float64]{Values: slices.Concat(houses...), Columns: 3}
	for _, features := range []thriftscore.Features{
		single, dense, thriftscore.Rows[float64](houses),
	} {
		result, err := client.Score(ctx, "linear", features, thriftscore.WithRequestID("go-1"))
		if err != nil {
			t.Fatal(err)
		}
		expectClose(t, result.Values, expectedScores())
		if result.Rows != 4 || result.Columns != 1 || result.Datatype != thriftscore.FP32 ||
			result.ModelVersion != "1" || result.RequestID != "go-1" {
			t.Errorf("received %+v", result)
		}
	}
}

func scoreOneRow(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	scores, err := client.ScoreValues(ctx, "linear", houses[1])
	if err != nil {
		t.Fatal(err)
	}
	expectClose(t, scores, expectedScores()[1:2])
	named := map[string]float64{"area": 150, "rooms": 4.5, "age": 30}
	if scores, err = client.ScoreNamed(ctx, "linear", named); err != nil {
		t.Fatal(err)
	}
	expectClose(t, scores, expectedScores()[1:2])
}

func scoreSparseRows(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	result, err := client.ScoreSparse(ctx, "linear", thriftscore.CSR[float32]{
		Indptr:  []int64{0, 1, 1, 3},
		Indices: []int32{1, 0, 2},
		Values:  []float32{4, 150, 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	expectClose(t, result.Values, []float64{linear(0, 4, 0), linear(0, 0, 0), linear(150, 0, 30)})
}

func normalize(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	rows := thriftscore.Rows[float64](houses)
	normalized, err := client.Normalize(ctx, "linear", rows)
	if err != nil {
		t.Fatal(err)
	}
	expectClose(t, normalized.Row(1), []float64{1, 1, 1})
	back, err := client.Denormalize(ctx, "linear",
		thriftscore.Dense[float64]{Values: normalized.Values, Columns: normalized.Columns})
	if err != nil {
		t.Fatal(err)
	}
	expectClose(t, back.Values, slices.Concat(houses...))
}

func infer(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	input, err := thriftscore.NewTensor("features", []int64{4, 3}, slices.Concat(houses...))
	if err != nil {
		t.Fatal(err)
	}
	request := thriftscore.InferRequest{Inputs: []thriftscore.Tensor{input}, ID: "i-1"}
	response, err := client.Infer(ctx, "linear", request)
	if err != nil {
		t.Fatal(err)
	}
	output, found := response.Output("scores")
	if !found || !slices.Equal(output.Shape, []int64{4, 1}) {
		t.Fatalf("received %+v", response)
	}
	scores, err := thriftscore.TensorValues[float32](output)
	if err != nil {
		t.Fatal(err)
	}
	for index, expected := range expectedScores() {
		expectClose(t, []float64{float64(scores[index])}, []float64{expected})
	}
}

func describe(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	if err := client.Ping(ctx); err != nil {
		t.Error(err)
	}
	if live, err := client.ServerLive(ctx); !live || err != nil {
		t.Errorf("live: %v, %v", live, err)
	}
	if ready, err := client.ServerReady(ctx); !ready || err != nil {
		t.Errorf("ready: %v, %v", ready, err)
	}
	about, err := client.ServerMetadata(ctx)
	if err != nil || about.Name != "thriftscore" {
		t.Errorf("server: %v, %v", about, err)
	}
	if ready, err := client.ModelReady(ctx, "linear", ""); !ready || err != nil {
		t.Errorf("linear is ready: %v, %v", ready, err)
	}
	if ready, err := client.ModelReady(ctx, "nope", ""); ready || err != nil {
		t.Errorf("nope is ready: %v, %v", ready, err)
	}
	model, err := client.ModelMetadata(ctx, "linear", "1")
	if err != nil || !slices.Equal(model.FeatureNames, []string{"area", "rooms", "age"}) {
		t.Errorf("model: %v, %v", model, err)
	}
	statistics, err := client.ModelStatistics(ctx, "linear", "")
	if err != nil || len(statistics) != 1 || statistics[0].InferenceCount < 1 {
		t.Errorf("statistics: %v, %v", statistics, err)
	}
}

func refuse(ctx context.Context, t *testing.T, client *thriftscore.Client) {
	_, err := client.Score(ctx, "nope", thriftscore.Rows[float32]{{1}})
	if !errors.Is(err, thriftscore.ErrModelNotFound) {
		t.Errorf("expected MODEL_NOT_FOUND, received %v", err)
	}
	_, err = client.Score(ctx, "linear", thriftscore.Rows[float32]{{1, 2, 3}},
		thriftscore.WithVersion("99"))
	if !errors.Is(err, thriftscore.ErrModelNotFound) {
		t.Errorf("expected MODEL_NOT_FOUND, received %v", err)
	}
	_, err = client.Score(ctx, "linear", thriftscore.Rows[float32]{{1, 2}})
	var answer *thriftscore.ServerError
	if !errors.As(err, &answer) || !errors.Is(err, thriftscore.ErrInvalidArgument) ||
		answer.Model != "linear" || answer.Retryable || answer.Message == "" {
		t.Errorf("expected INVALID_ARGUMENT of the server, received %v", err)
	}
}

// engineScores are the scores of the embedded engine for rows of float32 in a file, as float64.
func engineScores(t *testing.T, version, rows string) []byte {
	t.Helper()
	const program = `
import sys
import numpy
import thriftscore
rows = numpy.fromfile(sys.argv[2], "<f4").reshape(-1, 3)
scores = thriftscore.load(sys.argv[1]).score(rows)
sys.stdout.buffer.write(scores.astype("<f8").tobytes())
`
	python := filepath.Join(serverprocess.Root(t), ".venv", "bin", "python")
	output, err := exec.Command(python, "-c", program, version, rows).Output()
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// A million rows, over several connections to two servers, have the bits of the embedded engine.
func TestBatchHasTheBitsOfTheEmbeddedEngine(t *testing.T) {
	const rows = 1_000_000
	repository := serverprocess.NewRepository(t)
	first := serverprocess.Start(t, repository, 0)
	second := serverprocess.Start(t, repository, 0)
	client, err := thriftscore.New(first.Endpoint()+","+second.Endpoint(), thriftscore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	random := rand.New(rand.NewPCG(7, 7))
	values := make([]float32, 3*rows)
	for index := range values {
		values[index] = float32(random.NormFloat64() * 100)
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	result, err := client.ScoreBatch(ctx, "linear",
		thriftscore.Dense[float32]{Values: values, Columns: 3})
	if err != nil {
		t.Fatal(err)
	}
	data, err := binary.Append(nil, binary.LittleEndian, values)
	path := filepath.Join(t.TempDir(), "rows")
	if err = errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	scores, err := binary.Append(nil, binary.LittleEndian, result.Values)
	if err != nil || result.Rows != rows ||
		!bytes.Equal(scores, engineScores(t, filepath.Join(repository, "linear", "1"), path)) {
		t.Errorf("%d scores differ from those of the engine, %v", len(result.Values), err)
	}
}

func TestVersionIsThatOfTheServer(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	client, ctx := connect(t, server, thriftscore.Binary)
	about, err := client.ServerMetadata(ctx)
	if err != nil || about.Version != thriftscore.Version {
		t.Errorf("the client is %s, the server %v, %v", thriftscore.Version, about, err)
	}
}

func TestClientOutlivesTheServer(t *testing.T) {
	repository := serverprocess.NewRepository(t)
	server := serverprocess.Start(t, repository, 0)
	client, ctx := connect(t, server, thriftscore.Binary)
	if err := client.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	var failure *thriftscore.TransportError
	if err := client.Ping(ctx); !errors.As(err, &failure) ||
		!errors.Is(err, thriftscore.ErrConnectFailed) {
		t.Errorf("expected ErrConnectFailed, received %v", err)
	}
	serverprocess.Start(t, repository, server.Port)
	if err := client.Ping(ctx); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}
