// SPDX-License-Identifier: Apache-2.0

package thriftscore_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
)

func Example() {
	client, err := thriftscore.New("127.0.0.1:9090", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	rows := thriftscore.Rows[float32]{{0.3, 41, 1}, {0.9, 19, 0}}
	result, err := client.Score(context.Background(), "credit", rows)
	if err != nil {
		log.Fatal(err)
	}
	for row := range result.Rows {
		fmt.Println(result.Row(row))
	}
}

// A call ends at the deadline of its context, and the server is told how long that is.
func ExampleClient_Score() {
	client, err := thriftscore.New("unix:/run/thriftscore.sock", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	rows := thriftscore.Dense[float64]{Values: []float64{0.3, 41, 1, 0.9, 19, 0}, Columns: 3}
	result, err := client.Score(ctx, "credit", rows,
		thriftscore.WithVersion("canary"), thriftscore.WithRequestID("order-17"))
	var answer *thriftscore.ServerError
	switch {
	case err == nil:
		fmt.Println(result.Values, "by version", result.ModelVersion)
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too late")
	case errors.As(err, &answer) && answer.Retryable:
		fmt.Println("try again in", answer.RetryAfter)
	default:
		log.Fatal(err)
	}
}

// Features of mostly zeros are sent without them.
func ExampleClient_ScoreSparse() {
	client, err := thriftscore.New("127.0.0.1:9090", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	result, err := client.ScoreSparse(context.Background(), "text", thriftscore.CSR[float32]{
		Indptr:  []int64{0, 2, 3}, // two rows: of two values and of one
		Indices: []int32{7, 1024, 3},
		Values:  []float32{1, 0.5, 2},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Row(0), result.Row(1))
}

// Infer takes and gives named tensors, as the Open Inference Protocol has them.
func ExampleClient_Infer() {
	client, err := thriftscore.New("127.0.0.1:9090", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	features, err := thriftscore.NewTensor("features", []int64{1, 3}, []float32{0.3, 41, 1})
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Infer(context.Background(), "credit",
		thriftscore.InferRequest{Inputs: []thriftscore.Tensor{features}})
	if err != nil {
		log.Fatal(err)
	}
	output, found := response.Output("scores")
	if !found {
		log.Fatal("the model has no output named scores")
	}
	scores, err := thriftscore.TensorValues[float32](output)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(output.Shape, scores)
}

// Any number of rows: they are split over connections and servers, and joined in order.
func ExampleClient_ScoreBatch() {
	client, err := thriftscore.New("scores-1:9090,scores-2:9090", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rows := thriftscore.Dense[float32]{Values: make([]float32, 3_000_000), Columns: 3}
	result, err := client.ScoreBatch(ctx, "credit", rows)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Rows, "rows by version", result.ModelVersion)
}

// One row given by the names of its features.
func ExampleClient_ScoreNamed() {
	client, err := thriftscore.New("127.0.0.1:9090", thriftscore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	scores, err := client.ScoreNamed(context.Background(), "credit",
		map[string]float64{"utilisation": 0.3, "age": 41, "owner": 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(scores)
}

// TLS with a certificate of the client, retries and hedging, a log, and metrics of attempts.
func ExampleNewWithEndpoints() {
	certificate, err := tls.LoadX509KeyPair("client.pem", "client-key.pem")
	if err != nil {
		log.Fatal(err)
	}
	client, err := thriftscore.NewWithEndpoints([]string{"scores.internal:9090"},
		thriftscore.Options{
			TLS:         &tls.Config{Certificates: []tls.Certificate{certificate}},
			AttemptsMax: 2,
			Hedging:     true,
			Logger:      slog.Default(),
			Observer: thriftscore.Observer{
				Attempt: func(_ context.Context, attempt thriftscore.AttemptReport) {
					fmt.Println(attempt.Endpoint, attempt.Duration, attempt.Err)
				},
			},
		})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}
