#!/bin/sh
# The custom builder of skaffold.yaml. Skaffold passes the image's full name with its tag in IMAGE, the folder in BUILD_CONTEXT, and
# in PUSH_IMAGE whether the image has to be in the registry afterwards.
set -eu
if [ "$PUSH_IMAGE" = true ]; then
    # Builds only if an input changed, and pushes.
    exec hythe build "$BUILD_CONTEXT" -t "$IMAGE"
fi
# Skaffold wants the image in the local engine only.
exec docker build -t "$IMAGE" "$BUILD_CONTEXT"
