// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go"
	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// comparedCallers is how many goroutines call at once where it is not one.
const comparedCallers = 16

// comparison is the line that compare prints: medians over the rounds, the ratio of those of
// this client to those of the stock one, which is above 1 where this one is better, and every
// sample.
type comparison struct {
	Rounds  int                 `json:"rounds"`
	Callers map[string]contrast `json:"callers"`
	Samples []sample            `json:"samples"`
}

type sample struct {
	Client  string `json:"client"`
	Callers int    `json:"callers"`
	Round   int    `json:"round"`
	rate
}

type contrast struct {
	Ours            rate    `json:"ours"`
	Stock           rate    `json:"stock"`
	ThroughputRatio float64 `json:"throughput_ratio"`
	P50Ratio        float64 `json:"p50_ratio"`
}

type rate struct {
	CallsPerSecond float64 `json:"calls_per_s"`
	P50Micros      float64 `json:"p50_us"`
}

// scorer makes one call, for one goroutine.
type scorer func() error

// contender makes scorers for as many goroutines as there are, and a function that ends them.
type contender func(callers int) ([]scorer, func(), error)

// compare measures this client against the generated one on the transports of the Thrift library,
// with one caller and with 16, in turns, so that what else the machine does meets both.
func compare(arguments []string, output io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	endpoint := flags.String("endpoint", "127.0.0.1:9090", "host:port")
	model := flags.String("model", "", "name of the model")
	columns := flags.Int("columns", 3, "features of the model")
	rounds := flags.Int("rounds", 15, "how often each measurement is repeated")
	seconds := flags.Float64("seconds", 0.4, "how long each takes")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *rounds < 1 || *columns < 1 || *seconds <= 0 {
		return errors.New("--rounds, --columns and --seconds must be above 0")
	}
	row := make([]float32, *columns)
	contenders := map[string]contender{
		"ours":  ours(*endpoint, *model, row),
		"stock": stock(*endpoint, *model, row),
	}
	measured := comparison{Rounds: *rounds, Callers: map[string]contrast{}}
	for _, callers := range []int{1, comparedCallers} {
		samples, err := contest(contenders, callers, *rounds, *seconds)
		if err != nil {
			return err
		}
		measured.Callers[fmt.Sprint(callers)] = contrasted(samples)
		measured.Samples = append(measured.Samples, samples...)
	}
	return json.NewEncoder(output).Encode(measured)
}

func contest(contenders map[string]contender, callers, rounds int, seconds float64) (
	[]sample, error) {
	var samples []sample
	for round := range rounds {
		for name, contender := range contenders {
			one, err := measure(contender, callers, seconds)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			samples = append(samples, sample{name, callers, round + 1, one})
		}
	}
	return samples, nil
}

func contrasted(samples []sample) contrast {
	result := contrast{Ours: median(samples, "ours"), Stock: median(samples, "stock")}
	result.ThroughputRatio = result.Ours.CallsPerSecond / result.Stock.CallsPerSecond
	result.P50Ratio = result.Stock.P50Micros / result.Ours.P50Micros
	return result
}

func median(samples []sample, client string) rate {
	var result rate
	middle := func(field func(rate) float64) float64 {
		var values []float64
		for _, each := range samples {
			if each.Client == client {
				values = append(values, field(each.rate))
			}
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	result.CallsPerSecond = middle(func(r rate) float64 { return r.CallsPerSecond })
	result.P50Micros = middle(func(r rate) float64 { return r.P50Micros })
	return result
}

// measure lets all scorers call for a while, after a warm-up.
func measure(contender contender, callers int, seconds float64) (rate, error) {
	scorers, end, err := contender(callers)
	if err != nil {
		return rate{}, err
	}
	defer end()
	latencies := make([][]time.Duration, callers)
	failures := make([]error, callers)
	begin := time.Now()
	warm := begin.Add(time.Duration(seconds * float64(time.Second) / 10))
	over := begin.Add(time.Duration(seconds * float64(time.Second)))
	var running sync.WaitGroup
	for caller, score := range scorers {
		running.Go(func() {
			for now := time.Now(); now.Before(over) && failures[caller] == nil; {
				failures[caller] = score()
				after := time.Now()
				if now.After(warm) {
					latencies[caller] = append(latencies[caller], after.Sub(now))
				}
				now = after
			}
		})
	}
	running.Wait()
	all := slices.Concat(latencies...)
	if err := errors.Join(failures...); err != nil || len(all) == 0 {
		return rate{}, fmt.Errorf("no call was measured: %w", err)
	}
	slices.Sort(all)
	return rate{
		CallsPerSecond: float64(len(all)) / over.Sub(warm).Seconds(),
		P50Micros:      microseconds(all[len(all)/2]),
	}, nil
}

// ours is this client, which all goroutines share.
func ours(endpoint, model string, row []float32) contender {
	return func(callers int) ([]scorer, func(), error) {
		client, err := thriftscore.New(endpoint, thriftscore.Options{})
		if err != nil {
			return nil, nil, err
		}
		features := thriftscore.Rows[float32]{row}
		score := func() error {
			result, err := client.Score(context.Background(), model, features)
			if err == nil && len(result.Values) == 0 {
				return errors.New("a reply without scores")
			}
			return err
		}
		return slices.Repeat([]scorer{score}, callers), func() { _ = client.Close() }, nil
	}
}

// stock is the generated client, which cannot be shared: each goroutine has one, with a connection.
func stock(endpoint, model string, row []float32) contender {
	return func(callers int) ([]scorer, func(), error) {
		var scorers []scorer
		var transports []thrift.TTransport
		end := func() {
			for _, each := range transports {
				_ = each.Close()
			}
		}
		for range callers {
			socket := thrift.NewTSocketConf(endpoint, &thrift.TConfiguration{
				ConnectTimeout: time.Second, SocketTimeout: time.Second,
			})
			framed := thrift.NewTFramedTransportConf(socket, nil)
			if err := framed.Open(); err != nil {
				end()
				return nil, nil, err
			}
			transports = append(transports, framed)
			protocol := thrift.NewTBinaryProtocolConf(framed, nil)
			client := thriftscoreidl.NewScoringServiceClient(
				thrift.NewTStandardClient(protocol, protocol))
			scorers = append(scorers, stockScorer(client, model, row))
		}
		return scorers, end, nil
	}
}

// stockScorer does for the generated client what a caller must: the features in, the scores out.
func stockScorer(client *thriftscoreidl.ScoringServiceClient, model string, row []float32) scorer {
	return func() error {
		features := make([]byte, 0, 4*len(row))
		for _, value := range row {
			features = binary.LittleEndian.AppendUint32(features, math.Float32bits(value))
		}
		response, err := client.Score(context.Background(), &thriftscoreidl.ScoreRequest{
			ModelName: model, Features: features, Datatype: thriftscoreidl.DataType_FP32,
		})
		if err != nil {
			return err
		}
		scores := make([]float64, response.Rows*int64(response.Columns))
		for index := range scores {
			bits := binary.LittleEndian.Uint32(response.Scores[4*index:])
			scores[index] = float64(math.Float32frombits(bits))
		}
		if len(scores) == 0 {
			return errors.New("a reply without scores")
		}
		return nil
	}
}
