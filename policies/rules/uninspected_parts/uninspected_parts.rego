# METADATA
# title: Uninspected parts
# description: |
#   Images, audio, encrypted reasoning, history kept by the provider: parts that countersign cannot read. By default they
#   pass and the record says so. `settings.uninspected.kinds` gives a kind its own treatment, `settings.uninspected.default`
#   all others: `label` or `deny`. A treatment that is neither is `deny`.
package countersign.rules.uninspected_parts

# METADATA
# title: Name the kinds of parts that were not read
label contains {"name": "uninspected", "value": part.kind} if some part in input.conversation.uninspected

# METADATA
# title: Deny parts whose kind must not pass unread
deny contains {
	"status": 403,
	"code": "uninspected_part",
	"message": concat("", ["a part of kind ", part.kind, " cannot be inspected and may not pass"]),
} if {
	some part in input.conversation.uninspected
	not _may_pass(part.kind)
}

_may_pass(kind) if {
	settings := data.settings.uninspected
	object.get(settings.kinds, kind, settings["default"]) == "label"
}
