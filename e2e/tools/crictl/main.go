// The part of cri-tools' crictl that the tests use: cri-tools is no Go module that can be built by its name.
package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const endpoint = "unix:///run/containerd/containerd.sock"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	images := cri.NewImageServiceClient(connection)
	ctx := context.Background()

	verb, image := "", &cri.ImageSpec{}
	if len(arguments) > 0 {
		verb = arguments[0]
	}
	if len(arguments) > 1 {
		image.Image = arguments[len(arguments)-1]
	}
	switch verb {
	case "pull":
		answer, err := images.PullImage(ctx, &cri.PullImageRequest{Image: image})
		if err != nil {
			return fmt.Errorf("pulling image: %w", err)
		}
		fmt.Println("Image is up to date for", answer.ImageRef)
		return nil
	case "inspecti":
		answer, err := images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: image})
		if err != nil {
			return fmt.Errorf("image status: %w", err)
		}
		if answer.Image == nil {
			return fmt.Errorf("no such image %q present", image.Image)
		}
		_, err = fmt.Printf("{\"status\": %s}\n", protojson.Format(answer.Image))
		return err
	case "images":
		answer, err := images.ListImages(ctx, &cri.ListImagesRequest{})
		if err != nil {
			return fmt.Errorf("listing images: %w", err)
		}
		fmt.Println(protojson.Format(answer))
		return nil
	case "rmi":
		if _, err := images.RemoveImage(ctx, &cri.RemoveImageRequest{Image: image}); err != nil {
			return fmt.Errorf("removing image: %w", err)
		}
		return nil
	default:
		return fmt.Errorf("want pull, inspecti, images or rmi, not %q", verb)
	}
}
