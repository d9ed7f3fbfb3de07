# METADATA
# title: Mask secrets in requests
# description: |
#   A credential has no business in a prompt, and no part of it helps the model: it is replaced by its label.
#   `settings.mask.request.secrets` replaces the plan below; an empty list switches it off.
package countersign.rules.mask_secrets

# METADATA
# title: Replace each credential in a request by its label
redact contains row if {
	input.phase == "request"
	some row in _plan
}

default _plan := [{"entity": "SECRET_*", "method": "label"}]

_plan := data.settings.mask.request.secrets
