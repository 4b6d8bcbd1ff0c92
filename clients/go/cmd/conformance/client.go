// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/thriftscore/thriftscore/clients/go"
)

// clientCaller makes calls through the natural-type API.
type clientCaller struct{ client *thriftscore.Client }

// call makes the call of a case with `via: client`.
func (c clientCaller) call(ctx context.Context, method string, args map[string]any) (
	map[string]any, error) {
	if milliseconds, isSet := args["deadline_ms"].(json.Number); isSet {
		count, err := milliseconds.Int64()
		if err != nil {
			return nil, err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(count)*time.Millisecond)
		defer cancel()
	}
	switch method {
	case "score":
		return c.matrix(ctx, c.client.Score, "features", "scores", args)
	case "normalize":
		return c.matrix(ctx, c.client.Normalize, "values", "values", args)
	case "denormalize":
		return c.matrix(ctx, c.client.Denormalize, "values", "values", args)
	case "score_sparse":
		return c.scoreSparse(ctx, args)
	case "score_values":
		values, err := toFloats[float64](args["values"])
		if err != nil {
			return nil, err
		}
		return plain(c.client.ScoreValues(ctx, text(args, "model"), values))
	case "score_named":
		features, err := toNamed(args["features"])
		if err != nil {
			return nil, err
		}
		return plain(c.client.ScoreNamed(ctx, text(args, "model"), features))
	case "infer":
		return c.infer(ctx, args)
	default:
		return c.about(ctx, method, args)
	}
}

// about makes the calls about servers and models.
func (c clientCaller) about(ctx context.Context, method string, args map[string]any) (
	map[string]any, error) {
	model, version := text(args, "model"), text(args, "version")
	switch method {
	case "ping":
		err := c.client.Ping(ctx)
		return plain(err == nil, err)
	case "server_live":
		return plain(c.client.ServerLive(ctx))
	case "server_ready":
		return plain(c.client.ServerReady(ctx))
	case "server_metadata":
		return generated(c.client.ServerMetadata(ctx))
	case "model_ready":
		return plain(c.client.ModelReady(ctx, model, version))
	case "model_metadata":
		return generated(c.client.ModelMetadata(ctx, model, version))
	case "model_statistics":
		statistics, err := c.client.ModelStatistics(ctx, model, version)
		return map[string]any{"model_stats": view(reflect.ValueOf(statistics))}, err
	default:
		return nil, fmt.Errorf("unknown method %q", method)
	}
}

func plain[T any](result T, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]any{"result": view(reflect.ValueOf(result))}, nil
}

func generated[T any](result *T, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	return viewReply(result)
}

type matrixMethod func(context.Context, string, thriftscore.Features, ...thriftscore.CallOption) (
	*thriftscore.Result, error)

// matrix makes a call with rows from the argument `input` and a result of rows, shown as `output`.
func (c clientCaller) matrix(ctx context.Context, method matrixMethod, input, output string,
	args map[string]any) (map[string]any, error) {
	features, err := toFeatures(args[input], text(args, "datatype"))
	if err != nil {
		return nil, err
	}
	result, err := method(ctx, text(args, "model"), features, callOptions(args)...)
	if err != nil {
		return nil, err
	}
	return viewResult(result, output), nil
}

func viewResult(result *thriftscore.Result, name string) map[string]any {
	rows := []any{}
	for index := range result.Rows {
		rows = append(rows, view(reflect.ValueOf(result.Row(index))))
	}
	return map[string]any{
		name:            rows,
		"datatype":      result.Datatype.String(),
		"rows":          int64(result.Rows),
		"columns":       int64(result.Columns),
		"model_version": result.ModelVersion,
		"request_id":    result.RequestID,
	}
}

func (c clientCaller) scoreSparse(ctx context.Context, args map[string]any) (
	map[string]any, error) {
	features, err := toSparse(args)
	if err != nil {
		return nil, err
	}
	result, err := c.client.ScoreSparse(ctx, text(args, "model"), features, callOptions(args)...)
	if err != nil {
		return nil, err
	}
	return viewResult(result, "scores"), nil
}

func (c clientCaller) infer(ctx context.Context, args map[string]any) (map[string]any, error) {
	model := text(args, "model")
	request := thriftscore.InferRequest{ID: text(args, "id")}
	for _, input := range list(args["inputs"]) {
		tensor, err := c.toTensor(ctx, model, input.(map[string]any))
		if err != nil {
			return nil, err
		}
		request.Inputs = append(request.Inputs, tensor)
	}
	for _, name := range list(args["outputs"]) {
		request.Outputs = append(request.Outputs, fmt.Sprint(name))
	}
	response, err := c.client.Infer(ctx, model, request, callOptions(args)...)
	if err != nil {
		return nil, err
	}
	outputs := map[string]any{}
	for _, tensor := range response.Outputs {
		values, err := decodeNumbers(tensor.Data, tensor.Datatype)
		if err != nil {
			return nil, err
		}
		outputs[tensor.Name] = viewTensor(tensor.Shape, values)
	}
	return map[string]any{
		"model_name":    response.Model,
		"model_version": response.ModelVersion,
		"id":            response.ID,
		"request_id":    response.RequestID,
		"outputs":       outputs,
	}, nil
}

func callOptions(args map[string]any) []thriftscore.CallOption {
	var options []thriftscore.CallOption
	if version := text(args, "version"); version != "" {
		options = append(options, thriftscore.WithVersion(version))
	}
	if id := text(args, "request_id"); id != "" {
		options = append(options, thriftscore.WithRequestID(id))
	}
	return options
}

// text returns a string argument; empty where it is absent.
func text(args map[string]any, name string) string {
	value, _ := args[name].(string)
	return value
}

// list returns the elements of a list argument; none where it is absent.
func list(value any) []any {
	elements, _ := value.([]any)
	return elements
}
