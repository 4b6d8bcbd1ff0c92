// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/**
 * The rows of one call, transformed by the model's normaliser or its inverse.
 *
 * @param values a row for each row sent, of the datatype sent
 * @param modelVersion the version whose normaliser was used, as a number
 * @param requestId as in the call; empty if it had none
 */
public record NormalizeResult(Matrix values, String modelVersion, String requestId) {}
