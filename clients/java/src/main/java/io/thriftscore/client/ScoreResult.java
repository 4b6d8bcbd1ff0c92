// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/**
 * The scores of the rows of one call, all by the same version of the model.
 *
 * @param scores a row for each row sent; one column for regression and binary classification, else
 *     one for each class; FP32 or FP64 as the model computes
 * @param modelVersion the version that scored, as a number
 * @param requestId as in the call; empty if it had none
 */
public record ScoreResult(Matrix scores, String modelVersion, String requestId) {}
