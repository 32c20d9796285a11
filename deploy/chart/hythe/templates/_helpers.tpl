{{- define "hythe.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "hythe.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "hythe.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "hythe.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "hythe.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hythe.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hythe.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "hythe.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "hythe.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "hythe.claim" -}}
{{- .Values.persistence.existingClaim | default (include "hythe.fullname" .) }}
{{- end }}

{{- /* The environment variable of a key: HYTHE_UPSTREAM_OFFLINE for upstream.offline. */ -}}
{{- define "hythe.variable" -}}
HYTHE_{{ . | upper | replace "." "_" | replace "-" "_" }}
{{- end }}

{{- define "hythe.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
{{- end }}

{{- /* Whether configData is a configuration of registry:2: only that has nested keys. */ -}}
{{- define "hythe.registry2" -}}
{{- range $value := .Values.configData }}{{ if kindIs "map" $value }}true{{ end }}{{ end -}}
{{- end }}
