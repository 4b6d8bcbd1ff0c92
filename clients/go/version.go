// SPDX-License-Identifier: Apache-2.0

package thriftscore

// Version is that of this client, and of the servers that it was tested with.
const Version = "0.1.0"
