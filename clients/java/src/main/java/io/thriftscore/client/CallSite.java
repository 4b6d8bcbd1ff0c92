// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/**
 * What was called, where, and the how manieth attempt it was, for messages.
 *
 * @param model empty where the method names no model
 */
record CallSite(String endpoint, String method, String model, int attempt) {

  @Override
  public String toString() {
    String subject = model.isEmpty() ? method : method + " of model \"" + model + "\"";
    return subject + " at " + endpoint + ", attempt " + attempt;
  }
}
