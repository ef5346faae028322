# A static binary and nothing else. Built from a checkout:
#
#   docker build -t hearsay .
#
# State (the hostkey among it) lives in the volume /state.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN mkdir -p /out/state && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/ ./cmd/hearsay

FROM scratch
COPY --from=build /out/hearsay /hearsay
# A new volume takes over the owner of what the image has in its place.
COPY --from=build --chown=65532:65532 /out/state /state
ENV XDG_STATE_HOME=/state
USER 65532:65532
VOLUME /state
# Other nodes; and the module API, which a configuration has to open to other
# machines before it can be published (api_address, api_allow_remote).
EXPOSE 6001 7001
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/hearsay", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/hearsay"]
CMD ["run"]
