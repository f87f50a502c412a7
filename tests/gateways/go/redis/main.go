// A Redis in memory, for the counts of envoyproxy/ratelimit.
package main

import (
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr(":6379"); err != nil {
		log.Fatal(err)
	}
	// It has no clock of its own.
	for range time.Tick(time.Second) {
		redis.FastForward(time.Second)
	}
}
