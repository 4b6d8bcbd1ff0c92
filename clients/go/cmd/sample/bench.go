// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
)

const (
	warmUpCalls = 500
	// batchSeconds is how long batches are repeated to measure their rate.
	batchSeconds = 1.0
	callTimeout  = 30 * time.Second
)

// report is the line that bench prints.
type report struct {
	Language      string      `json:"language"`
	Rows          int         `json:"rows"`
	Scores        [][]float64 `json:"scores"`
	P50Micros     float64     `json:"p50_us"`
	P99Micros     float64     `json:"p99_us"`
	RowsPerSecond float64     `json:"rows_per_s"`
}

// bench measures calls of one row and of all rows of a file.
func bench(arguments []string, output io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	endpoint := flags.String("endpoint", "127.0.0.1:9090", "host:port or unix:/path")
	model := flags.String("model", "", "name of the model")
	path := flags.String("rows", "", "file of comma-separated numbers without a header")
	single := flags.Int("single", 2000, "how many calls of one row to measure")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *single < 1 {
		return fmt.Errorf("--single must be at least 1, received %d", *single)
	}
	rows, err := readFile(*path)
	if err != nil {
		return err
	}
	client, err := thriftscore.New(*endpoint, thriftscore.Options{Timeout: callTimeout})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	measured, err := measurement{client, *model, rows}.report(*single)
	if err != nil {
		return err
	}
	return json.NewEncoder(output).Encode(measured)
}

func readFile(path string) (thriftscore.Rows[float32], error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	rows, err := readRows(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s has no rows", path)
	}
	return rows, nil
}

type measurement struct {
	client *thriftscore.Client
	model  string
	rows   thriftscore.Rows[float32]
}

func (m measurement) report(single int) (report, error) {
	measured := report{Language: "go", Rows: len(m.rows)}
	result, err := m.score(m.rows)
	if err != nil {
		return report{}, err
	}
	for index := range result.Rows {
		measured.Scores = append(measured.Scores, result.Row(index))
	}
	if _, err := m.latencies(warmUpCalls); err != nil {
		return report{}, err
	}
	latencies, err := m.latencies(single)
	if err != nil {
		return report{}, err
	}
	slices.Sort(latencies)
	measured.P50Micros = microseconds(latencies[len(latencies)/2])
	measured.P99Micros = microseconds(latencies[len(latencies)*99/100])
	measured.RowsPerSecond, err = m.batchRate()
	return measured, err
}

func (m measurement) score(rows thriftscore.Rows[float32]) (*thriftscore.Result, error) {
	return m.client.Score(context.Background(), m.model, rows)
}

// latencies times calls of one row, which go through the rows of the file in turn.
func (m measurement) latencies(calls int) ([]time.Duration, error) {
	latencies := make([]time.Duration, calls)
	for call := range latencies {
		row := call % len(m.rows)
		begin := time.Now()
		if _, err := m.score(m.rows[row : row+1]); err != nil {
			return nil, err
		}
		latencies[call] = time.Since(begin)
	}
	return latencies, nil
}

// batchRate is the rate, in rows per second, of calls with all rows of the file.
func (m measurement) batchRate() (float64, error) {
	begin := time.Now()
	for calls := 1; ; calls++ {
		if _, err := m.score(m.rows); err != nil {
			return 0, err
		}
		if seconds := time.Since(begin).Seconds(); seconds >= batchSeconds {
			return float64(calls*len(m.rows)) / seconds, nil
		}
	}
}

func microseconds(duration time.Duration) float64 {
	return float64(duration.Nanoseconds()) / 1e3
}
