// SPDX-License-Identifier: Apache-2.0

// Package thriftscore is the Go client of the thriftscore scoring server.
//
//	client, err := thriftscore.New("127.0.0.1:9090", thriftscore.Options{})
//	if err != nil { ... }
//	defer client.Close()
//	result, err := client.Score(ctx, "credit", thriftscore.Rows[float32]{{0.3, 41, 1}})
//	fmt.Println(result.Row(0))
//
// Every call takes a context and ends with it: at its deadline, or as soon as it is cancelled,
// whatever the server does. A context without a deadline gets [Options].Timeout.
//
// A call fails with a [*ServerError], which is the server's own answer, with a [*TransportError],
// which means that there was no usable answer, or with an error that wraps [ErrInvalidArgument]
// and is neither, which means that nothing was sent because the arguments cannot be.
//
// A [Client] has one connection, dialled by the first call. It may be used by many goroutines;
// their calls run one after the other. A connection that timed out, broke, or carried anything but
// the reply that was waited for is closed and never used again; the next call dials anew.
package thriftscore
