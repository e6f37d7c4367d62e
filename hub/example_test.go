package hub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/go-dept/dept/hub"
	"github.com/go-dept/dept/t5"
)

func ExampleParseRef() {
	ref, err := hub.ParseRef(hub.Model, "google-t5/t5-small@v1")
	fmt.Println(ref.Name, ref.Revision, err)
	_, err = hub.ParseRef(hub.Model, "../t5-small")
	fmt.Println(err != nil)
	// Output:
	// google-t5/t5-small v1 <nil>
	// true
}

// A model of the hub's is opened from the cache; what is not there is downloaded.
func ExampleClient_Model() {
	ref, err := hub.ParseRef(hub.Model, "google-t5/t5-small")
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := hub.FromEnv().Model(context.Background(), ref)
	if err != nil {
		log.Fatal(err)
	}
	checkpoint, err := t5.OpenCheckpoint(snapshot.Dir)
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	fmt.Println(checkpoint.Config.Describe().Width)
}
