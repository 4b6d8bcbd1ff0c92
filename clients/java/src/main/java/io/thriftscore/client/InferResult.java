// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The outputs of one inference.
 *
 * @param model the model that answered
 * @param modelVersion its version, as a number
 * @param id the request id of the call; empty if it had none
 * @param outputs by name, in the order asked for
 */
public record InferResult(
    String model, String modelVersion, String id, Map<String, Tensor> outputs) {

  /** Copies the outputs and keeps their order. */
  public InferResult {
    outputs = Collections.unmodifiableMap(new LinkedHashMap<>(outputs));
  }
}
