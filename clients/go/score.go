// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// Score scores rows with a model: f(x) = link(bias + sum of weight * term(x)).
func (c *Client) Score(ctx context.Context, model string, features Features,
	options ...CallOption) (*Result, error) {
	call, err := c.settings(model, options).scoreCall(features)
	if err != nil {
		return nil, err
	}
	return invoke[*Result](ctx, c, call)
}

func (s *callSettings) scoreCall(features Features) (*call, error) {
	encoded, err := encode(features)
	if err != nil {
		return nil, err
	}
	return &call{
		callSettings: s,
		method:       "score",
		arguments: &thriftscoreidl.ScoringServiceScoreArgs{
			Request: &thriftscoreidl.ScoreRequest{
				ModelName:    s.model,
				ModelVersion: s.version,
				Features:     encoded.data,
				Datatype:     encoded.datatype,
				Context:      s.context,
				Columns:      encoded.columnsField(),
			},
		},
		decode: func(ctx context.Context, from *message) (any, error) {
			var result thriftscoreidl.ScoringServiceScoreResult
			if err := readResult(ctx, from, &result); err != nil {
				return nil, err
			}
			return s.scores(result.Success, encoded.rows)
		},
	}, nil
}

// ScoreSparse scores rows in compressed sparse row form.
func (c *Client) ScoreSparse(ctx context.Context, model string, features SparseFeatures,
	options ...CallOption) (*Result, error) {
	if features == nil {
		return nil, invalid("features are nil")
	}
	encoded := features.encodeSparse()
	settings := c.settings(model, options)
	return invoke[*Result](ctx, c, &call{
		callSettings: settings,
		method:       "score_sparse",
		arguments: &thriftscoreidl.ScoringServiceScoreSparseArgs{
			Request: &thriftscoreidl.SparseScoreRequest{
				ModelName:    model,
				ModelVersion: settings.version,
				Indptr:       encoded.indptr,
				Indices:      encoded.indices,
				Values:       encoded.values,
				Datatype:     encoded.datatype,
				Context:      settings.context,
			},
		},
		decode: func(ctx context.Context, from *message) (any, error) {
			var result thriftscoreidl.ScoringServiceScoreSparseResult
			if err := readResult(ctx, from, &result); err != nil {
				return nil, err
			}
			return settings.scores(result.Success, encoded.rows)
		},
	})
}

// ScoreValues scores one row with the default version of a model. The contract gives this call no
// place for a deadline or a token: the server does not know how long the caller waits.
func (c *Client) ScoreValues(ctx context.Context, model string, values []float64) (
	[]float64, error) {
	return invoke[[]float64](ctx, c, &call{
		callSettings: &callSettings{model: model},
		method:       "score_values",
		arguments: &thriftscoreidl.ScoringServiceScoreValuesArgs{
			ModelName: model, Values: values,
		},
		decode: decodePlain[[]float64, thriftscoreidl.ScoringServiceScoreValuesResult],
	})
}

// ScoreNamed scores one row, given by feature name, with the default version of a model. A name
// that is absent is a missing value. Deadline and token: as for ScoreValues.
func (c *Client) ScoreNamed(ctx context.Context, model string, features map[string]float64) (
	[]float64, error) {
	return invoke[[]float64](ctx, c, &call{
		callSettings: &callSettings{model: model},
		method:       "score_named",
		arguments: &thriftscoreidl.ScoringServiceScoreNamedArgs{
			ModelName: model, Features: features,
		},
		decode: decodePlain[[]float64, thriftscoreidl.ScoringServiceScoreNamedResult],
	})
}

// Normalize returns (x - mean) / scale, by column, with the model's normaliser.
func (c *Client) Normalize(ctx context.Context, model string, rows Features,
	options ...CallOption) (*Result, error) {
	settings := c.settings(model, options)
	encoded, request, err := settings.normalizeRequest(rows)
	if err != nil {
		return nil, err
	}
	return invoke[*Result](ctx, c, &call{
		callSettings: settings,
		method:       "normalize",
		arguments:    &thriftscoreidl.ScoringServiceNormalizeArgs{Request: request},
		decode: func(ctx context.Context, from *message) (any, error) {
			var result thriftscoreidl.ScoringServiceNormalizeResult
			if err := readResult(ctx, from, &result); err != nil {
				return nil, err
			}
			return settings.transformed(result.Success, encoded.rows)
		},
	})
}

// Denormalize returns mean + scale * x, by column: the inverse of Normalize.
func (c *Client) Denormalize(ctx context.Context, model string, rows Features,
	options ...CallOption) (*Result, error) {
	settings := c.settings(model, options)
	encoded, request, err := settings.normalizeRequest(rows)
	if err != nil {
		return nil, err
	}
	return invoke[*Result](ctx, c, &call{
		callSettings: settings,
		method:       "denormalize",
		arguments:    &thriftscoreidl.ScoringServiceDenormalizeArgs{Request: request},
		decode: func(ctx context.Context, from *message) (any, error) {
			var result thriftscoreidl.ScoringServiceDenormalizeResult
			if err := readResult(ctx, from, &result); err != nil {
				return nil, err
			}
			return settings.transformed(result.Success, encoded.rows)
		},
	})
}

func (s *callSettings) normalizeRequest(rows Features) (
	matrix, *thriftscoreidl.NormalizeRequest, error) {
	encoded, err := encode(rows)
	if err != nil {
		return matrix{}, nil, err
	}
	return encoded, &thriftscoreidl.NormalizeRequest{
		ModelName:    s.model,
		ModelVersion: s.version,
		Values:       encoded.data,
		Datatype:     encoded.datatype,
		Context:      s.context,
		Columns:      encoded.columnsField(),
	}, nil
}

func encode(features Features) (matrix, error) {
	if features == nil {
		return matrix{}, invalid("features are nil")
	}
	return features.encode()
}
