// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/thriftscore/thriftscore/clients/go"
)

// toFeatures makes rows of FP32, or of FP64 where that is the datatype.
func toFeatures(value any, datatype string) (thriftscore.Features, error) {
	if datatype == "FP64" {
		rows, err := toRows[float64](value)
		return thriftscore.Rows[float64](rows), err
	}
	rows, err := toRows[float32](value)
	return thriftscore.Rows[float32](rows), err
}

func toRows[T thriftscore.Float](value any) ([][]T, error) {
	rows := [][]T{}
	for _, element := range list(value) {
		row, err := toFloats[T](element)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func toFloats[T thriftscore.Float](value any) ([]T, error) {
	values := []T{}
	for _, element := range list(value) {
		number, err := toFloat(element)
		if err != nil {
			return nil, err
		}
		values = append(values, T(number))
	}
	return values, nil
}

func toIntegers[T int32 | int64](value any) ([]T, error) {
	values := []T{}
	for _, element := range list(value) {
		number, isNumber := element.(json.Number)
		if !isNumber {
			return nil, fmt.Errorf("expected an integer, received %v", element)
		}
		integer, err := number.Int64()
		if err != nil || int64(T(integer)) != integer {
			return nil, fmt.Errorf("%v is not a %T", number, T(0))
		}
		values = append(values, T(integer))
	}
	return values, nil
}

func toNamed(value any) (map[string]float64, error) {
	features := map[string]float64{}
	object, _ := value.(map[string]any)
	for name, element := range object {
		number, err := toFloat(element)
		if err != nil {
			return nil, err
		}
		features[name] = number
	}
	return features, nil
}

func toSparse(args map[string]any) (thriftscore.SparseFeatures, error) {
	indptr, err := toIntegers[int64](args["indptr"])
	if err != nil {
		return nil, err
	}
	indices, err := toIntegers[int32](args["indices"])
	if err != nil {
		return nil, err
	}
	if text(args, "datatype") == "FP64" {
		values, err := toFloats[float64](args["values"])
		return thriftscore.CSR[float64]{Indptr: indptr, Indices: indices, Values: values}, err
	}
	values, err := toFloats[float32](args["values"])
	return thriftscore.CSR[float32]{Indptr: indptr, Indices: indices, Values: values}, err
}

// toTensor makes the tensor of an input given as rows. No rows are of the model's width.
func (c clientCaller) toTensor(ctx context.Context, model string, input map[string]any) (
	thriftscore.Tensor, error) {
	rows := list(input["rows"])
	shape := []int64{int64(len(rows)), 0}
	flat := []any{}
	for _, row := range rows {
		flat = append(flat, list(row)...)
		shape[1] = int64(len(list(row)))
	}
	if len(rows) == 0 {
		metadata, err := c.client.ModelMetadata(ctx, model, "")
		if err != nil {
			return thriftscore.Tensor{}, err
		}
		shape[1] = int64(len(metadata.FeatureNames))
	}
	if text(input, "datatype") == "FP64" {
		return newTensor[float64](text(input, "name"), shape, flat)
	}
	return newTensor[float32](text(input, "name"), shape, flat)
}

func newTensor[T thriftscore.Float](name string, shape []int64, elements []any) (
	thriftscore.Tensor, error) {
	values, err := toFloats[T](elements)
	if err != nil {
		return thriftscore.Tensor{}, err
	}
	return thriftscore.NewTensor(name, shape, values)
}
