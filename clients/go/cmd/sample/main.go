// SPDX-License-Identifier: Apache-2.0

// Command sample shows the Go client at work.
//
//	sample score --endpoint 127.0.0.1:9090 --model credit 0.3,41,1 0.9,19,0
//	sample bench --endpoint 127.0.0.1:9090 --model credit --rows rows.csv
//	sample compare --endpoint 127.0.0.1:9090 --model credit --columns 3
//
// score scores each row of the command line. bench scores all rows of a file of comma-separated
// numbers at once, then one by one, and prints one line of JSON. compare measures the client
// against the generated one, and prints one line of JSON.
package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/thriftscore/thriftscore/clients/go"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string, output io.Writer) error {
	if len(arguments) == 0 {
		return fmt.Errorf("usage: sample score|bench|compare --endpoint HOST:PORT --model NAME …")
	}
	switch command, rest := arguments[0], arguments[1:]; command {
	case "score":
		return score(rest, output)
	case "bench":
		return bench(rest, output)
	case "compare":
		return compare(rest, output)
	default:
		return fmt.Errorf("the command must be score, bench or compare, received %q", command)
	}
}

// score scores the rows of the command line and prints a line for each.
func score(arguments []string, output io.Writer) error {
	flags := flag.NewFlagSet("score", flag.ContinueOnError)
	endpoint := flags.String("endpoint", "127.0.0.1:9090", "host:port or unix:/path")
	model := flags.String("model", "", "name of the model")
	version := flags.String("version", "", "number or label; empty = the default version")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	rows, err := readRows(strings.NewReader(strings.Join(flags.Args(), "\n")))
	if err != nil {
		return err
	}
	client, err := thriftscore.New(*endpoint, thriftscore.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	result, err := client.Score(context.Background(), *model, rows,
		thriftscore.WithVersion(*version))
	if err != nil {
		return err
	}
	for index := range result.Rows {
		fmt.Fprintf(output, "%v -> %v\n", rows[index], result.Row(index))
	}
	return nil
}

// readRows reads comma-separated numbers, a row a line, without a header.
func readRows(input io.Reader) (thriftscore.Rows[float32], error) {
	records, err := csv.NewReader(input).ReadAll()
	if err != nil {
		return nil, err
	}
	rows := make(thriftscore.Rows[float32], len(records))
	for number, record := range records {
		for _, field := range record {
			value, err := strconv.ParseFloat(strings.TrimSpace(field), 32)
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", number, err)
			}
			rows[number] = append(rows[number], float32(value))
		}
	}
	return rows, nil
}
