#!/bin/sh
# Builds with BuildKit's cache in hythe, so that another machine or a fresh CI job starts from it. mode=max also caches the stages that
# are not in the image. Set REGISTRY, IMAGE and TAG.
#
# BuildKit in a container does not see this machine's localhost. `hythe attach --client buildkit` writes a buildkitd.toml that leads to the
# registry; create the builder with it:
#   docker buildx create --use --driver-opt network=host --buildkitd-config ~/.config/buildkit/buildkitd.toml
set -eu
: "${REGISTRY:=localhost:5001}" "${IMAGE:=app}" "${TAG:=latest}"
cache=$REGISTRY/$IMAGE:buildcache
exec docker buildx build --push -t "$REGISTRY/$IMAGE:$TAG" \
    --cache-from "type=registry,ref=$cache" \
    --cache-to "type=registry,ref=$cache,mode=max" \
    "${1:-.}"
