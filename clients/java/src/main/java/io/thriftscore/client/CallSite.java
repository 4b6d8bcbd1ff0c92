// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** What was called and where, for messages. `model` is empty where the method names no model. */
record CallSite(Endpoint endpoint, String method, String model) {

  @Override
  public String toString() {
    String subject = model.isEmpty() ? method : method + " of model \"" + model + "\"";
    return subject + " at " + endpoint;
  }
}
