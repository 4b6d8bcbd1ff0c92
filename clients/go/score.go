// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// Score scores rows with a model: f(x) = link(bias + sum of weight * term(x)).
func (c *Client) Score(ctx context.Context, model string, features Features,
	options ...CallOption) (*Result, error) {
	return c.matrixCall(ctx, "score", c.settings(model, options), features)
}

func (c *Client) matrixCall(ctx context.Context, method string, settings *callSettings,
	features Features) (*Result, error) {
	call, err := settings.newMatrixCall(method, features)
	if err != nil {
		return nil, err
	}
	return invoke[*Result](ctx, c, call)
}

// ScoreSparse scores rows in compressed sparse row form, in one request.
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
		decode: matrixDecoder{settings, encoded.rows}.decode,
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
	return c.matrixCall(ctx, "normalize", c.settings(model, options), rows)
}

// Denormalize returns mean + scale * x, by column: the inverse of Normalize.
func (c *Client) Denormalize(ctx context.Context, model string, rows Features,
	options ...CallOption) (*Result, error) {
	return c.matrixCall(ctx, "denormalize", c.settings(model, options), rows)
}
