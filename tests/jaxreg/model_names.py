"""Names, ranks and roles of parameters of public models: one block of each kind of layer.

Facts, read in the layers' sources: a role says what the layer does with a parameter, whatever its
name. ``weight``: multiplied with inputs and summed over them; ``lora``: a low-rank factor of such
a weight; ``embedding``; ``position`` (tables of absolute positions, and of relative biases);
``token`` (a learned row: class, mask, query, constant input); ``bias``: added; ``norm``: scale of a
normalisation; ``scale``: gain, gate, temperature, magnitude of a weight norm; ``state``:
recurrences, time steps, mixing rates, standard deviations, clip bounds.

An entry reads ``role rank names``; a semicolon or a new line ends it. ``2+1`` is rank 2 stacked
along one axis more by a scan or vmap; braces expand as in a shell; ``name@Class`` names the class
that holds it where the tree keeps classes. Segments that a whole model has in common are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

DECAYED = ("weight", "lora", "embedding", "position", "token")
EXCLUDED = ("bias", "norm", "scale", "state")


class Row(NamedTuple):
    """One parameter: its leaf name, rank with the stacked axes, role, class of its owner."""

    name: str
    rank: int
    role: str
    owner: str | None


def rows(table: str) -> list[Row]:
    """The parameters of a table, in its order."""
    return [row for entry in re.split(r"[;\n]\s*", table.strip()) for row in _entry(entry)]


def _entry(entry: str) -> Iterator[Row]:
    role, rank, *patterns = entry.split()
    for name in (name for pattern in patterns for name in _expanded(pattern)):
        leaf, _, owner = name.partition("@")
        yield Row(leaf, sum(map(int, rank.split("+"))), role, owner or None)


def _expanded(pattern: str) -> list[str]:
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if not brace:
        return [pattern]
    head, tail = pattern[: brace.start()], pattern[brace.end() :]
    return [n for choice in brace[1].split(",") for n in _expanded(head + choice + tail)]


def tree(table: list[Row]) -> dict[str, Any]:
    """Nested dictionaries of arrays with these names and ranks, without the owners."""
    nested: dict[str, Any] = {}
    for row in table:
        *path, last = row.name.split("/")
        node = nested
        for segment in path:
            node = node.setdefault(segment, {})
        node[last] = jax.ShapeDtypeStruct((2,) * row.rank, jnp.float32)
    return nested


MODELS = {
    # Linen: nested dictionaries, no owners
    "google-research/big_vision: ViT": """
        weight 4 embedding/kernel; position 3 pos_embedding; token 3 cls MAPHead_0/probe
        norm 1 encoderblock_0/LayerNorm_{0,1}/scale encoder_norm/scale
        bias 1 encoderblock_0/LayerNorm_{0,1}/bias encoder_norm/bias embedding/bias head/bias
        bias 1 encoderblock_0/MultiHeadDotProductAttention_0/out/bias
        weight 3 encoderblock_0/MultiHeadDotProductAttention_0/{query,key,value,out}/kernel
        bias 2 encoderblock_0/MultiHeadDotProductAttention_0/{query,key,value}/bias
        weight 2 encoderblock_0/MlpBlock_0/Dense_{0,1}/kernel pre_logits/kernel head/kernel
        norm 1+1 encoderblock/LayerNorm_0/scale; weight 2+1 encoderblock/MlpBlock_0/Dense_0/kernel
        bias 1+1 encoderblock/LayerNorm_0/bias encoderblock/MlpBlock_0/Dense_0/bias
        bias 2+1 encoderblock/MultiHeadDotProductAttention_0/query/bias
        weight 3+1 encoderblock/MultiHeadDotProductAttention_0/query/kernel""",
    "google-research/big_vision: MLP-Mixer, BiT, SigLIP": """
        weight 4 stem/kernel root_block/conv_root/kernel unit01/{conv1,conv_proj}/kernel; scale 1 t
        weight 2 MixerBlock_0/{token,channel}_mixing/Dense_0/kernel
        norm 1 MixerBlock_0/LayerNorm_{0,1}/scale pre_head_layer_norm/scale
        bias 1 MixerBlock_0/LayerNorm_{0,1}/bias pre_head_layer_norm/bias stem/bias b
        norm 4 norm-pre-head/scale unit01/gn{1,2,3}/scale
        bias 4 norm-pre-head/bias unit01/gn{1,2,3}/bias""",
    "google-research/scenic: ViT, vitdet, BERT, CLIP": """
        position 3 posembed_input/pos_embedding; token 3 cls; token 1 clip/class_embedding
        weight 2 blocks.0/attn/qkv/kernel MlpBlock_0/Dense_0/kernel output_projection/kernel
        bias 1 blocks.0/attn/{q,v}_bias residual/b_g output_projection/bias; bias 2 embedding_bias
        position 2 blocks.0/attn/rel_pos_{h,w} row_pos_embedding; scale 0 clip/logit_scale
        scale 1 blocks.0/gamma_{1,2} residual/rezero_alpha affine/scale head/Scale_0/scale""",
    "google-research/t5x: T5, scanned and not": """
        embedding 2 token_embedder/embedding; position 2 relpos_bias/rel_embedding
        norm 1 layers_0/pre_{attention,mlp}_layer_norm/scale encoder_norm/scale
        weight 2 layers_0/attention/{query,key,value,out}/kernel layers_0/mlp/{wi_0,wi_1,wo}/kernel
        weight 2 logits_dense/kernel; norm 1+1 layers/pre_self_attention_layer_norm/scale
        weight 3+1 layers/self_attention/{query,key,value,out}/kernel
        weight 2+1 layers/mlp/wi_0/kernel""",
    "google/flaxformer: MoE and dual encoder": """
        weight 2 mlp/wi_fused/kernel router/router_weights/w/kernel; weight 2+1 expert/mlp/wi/kernel
        bias 1 router/router_weights/w/bias logit_scaling_and_bias/learnable_bias
        position 2 relpos_bias/rel_embedding position_embedder/pos_embedding
        norm 1 pre_attention_layer_norm/scale
        scale 1 logit_scaling/learnable_scalar logit_scaling_and_bias/learnable_weight""",
    "AI-Hypercomputer/maxtext: decoders stacked by scan": """
        embedding 2 token_embedder/embedding; scale 1+1 layers/MoeBlock_0/per_expert_scale
        norm 1+1 layers/{pre,post}_self_attention_layer_norm/scale layers/pre_ffw_norm_local/scale
        norm 1+1 layers/self_attention/{query_norm,key_norm,q_norm,kv_norm}/scale
        weight 3+1 layers/self_attention/{query,key,value,out}/kernel; norm 1 decoder_norm/scale
        weight 3+1 layers/self_attention/{wq_b,wkv_b}/kernel layers/MoeBlock_0/{wi_0,wi_1,wo}
        bias 2+1 layers/self_attention/{query,key,value}/bias layers/mhc/res_beta
        bias 2+1 layers/MoeBlock_0/{wi_0_bias,wi_1_bias,wo_bias}; weight 2 logits_dense/kernel
        state 1+1 layers/self_attention/sinks layers/attention/{A_log,dt_bias}
        weight 2+1 layers/self_attention/{wq_a,wkv_a}/kernel layers/mlp/{wi_0,wi_1,wo}/kernel
        weight 2+1 layers/MoeBlock_0/gate/kernel layers/mhc/{res,pre,post}_alpha
        bias 1+1 layers/MoeBlock_0/gate/bias layers/mhc/{pre,post}_beta
        scale 1+1 layers/mhc/{res,pre,post}_alpha_scale layers/layer_scalar""",
    "google-deepmind/gemma: Gemma 2, 3, 3n, 4, LoRA": """
        embedding 2 embedder/input_embedding embedder/per_layer_input_embedding
        weight 2 embedder/mm_input_projection/w layer_0/mlp/linear layer_0/mlp/router_logits/w
        weight 2 head/kernel layer_0/altup/{correction_coefs,modality_router/w} vision/proj/w
        norm 1 embedder/mm_soft_embedding_norm/scale layer_0/{pre_attention,post_ffw}_norm/scale
        norm 1 layer_0/attn/_{query,key}_norm/scale final_norm/scale; lora 2 head/lora/{a,b}
        weight 3 layer_0/attn/{q_einsum,attn_vec_einsum}/w layer_0/mlp/gating_einsum
        weight 3 layer_0/altup/prediction_coefs; weight 4 layer_0/attn/{kv_einsum,qkv_einsum}/w
        lora 3 layer_0/attn/q_einsum/lora/{a,b}; state 0 vision/proj/clip_{input,output}_{min,max}
        scale 1 layer_0/skip_scale layer_0/mlp/{per_expert_scale,router_scale}
        scale 1 layer_0/altup/correct_output_scale audio/attn/per_dim_scale
        position 3 vision/pos_emb_param""",
    "Physical-Intelligence/openpi: LoRA, adaptive RMS norm, scanned": """
        weight 3+1 layers/attn/q_einsum/w layers/mlp_1/gating_einsum; norm 1 final_norm/scale
        lora 3+1 layers/attn/q_einsum/lora_{a,b} layers/mlp_1/gating_einsum_lora_{a,b}
        weight 2+1 layers/mlp_1/linear layers/pre_attention_norm_1/Dense_0/kernel
        lora 2+1 layers/mlp_1/linear_lora_{a,b}; norm 1+1 layers/pre_attention_norm/scale
        bias 1+1 layers/pre_attention_norm_1/Dense_0/bias; weight 2 final_norm_1/Dense_0/kernel""",
    "young-geng/EasyLM: Llama": """
        embedding 2 wte/embedding; weight 2 lm_head/kernel
        weight 2 h/0/attention/{wq,wk,wv,wo}/kernel h/0/feed_forward/{w1,w2,w3}/kernel
        norm 1 h/0/{attention_norm,ffn_norm}/kernel ln_f/kernel""",
    "nanodo, nanoGPT-jax, gpt-jax": """
        embedding 2 embed/embedding wte/embedding; position 2 pos_embed/embedding wpe/embedding
        weight 3 blocks_0/CausalAttn_0/{query,key,value,attn_out_proj}/kernel
        weight 2 blocks_0/Mlp_0/Dense_0/kernel 0/attn/{c_attn,c_proj}/kernel 0/mlp/c_fc/kernel
        norm 1 blocks_0/LayerNorm_0/scale out_ln/scale 0/ln_{1,2}/scale ln_f/scale
        bias 1 0/ln_{1,2}/bias ln_f/bias 0/attn/{c_attn,c_proj}/bias 0/mlp/c_fc/bias""",
    "apple/axlearn, google/praxis": """
        weight 4 self_attention/attention/i_proj/i_proj/qkv_proj/weight; state 1 attention/sink
        norm 1 self_attention/norm/scale layer_norm/scale bn/gamma
        bias 1 self_attention/norm/bias layer_norm/bias bn/beta ffn_layer1/bias/b router/gate_bias
        scale 1 attention/per_dim_scale/param self_atten/per_dim_scale/per_dim_scale
        weight 2 feed_forward/gate_weight ffn_layer1/linear/w softmax/logits_ffn/linear/w
        weight 3 feed_forward/{wi_0_weight,wo_weight} self_atten/{query,key,value,post}/w
        scale 0 residual_gate_theta contrastive/log_scale; embedding 2 softmax/embedding/emb_var
        bias 2 relative_attention/{u,v}_bias self_atten/query/b
        position 2 relative_bias/wrb pos_emb/emb_var""",
    "huggingface/transformers: Flax BERT, RoFormer, GPT-2, BART, OPT": """
        embedding 2 embeddings/{word,token_type}_embeddings/embedding wte/embedding
        position 2 embeddings/position_embeddings/embedding wpe/embedding; bias 2 final_logits_bias
        norm 1 embeddings/LayerNorm/scale layer/0/{attention/output,output}/LayerNorm/scale
        norm 1 h/0/{ln_1,ln_2,ln_cross_attn}/scale ln_f/scale encoder/layernorm_embedding/scale
        bias 1 embeddings/LayerNorm/bias predictions/bias layer/0/attention/self/query/bias
        bias 1 h/0/{ln_1,ln_2,ln_cross_attn}/bias ln_f/bias h/0/attn/c_attn/bias
        weight 2 layer/0/attention/self/{query,key,value}/kernel pooler/dense/kernel
        weight 2 layer/0/{attention/output,intermediate,output}/dense/kernel h/0/mlp/c_fc/kernel
        weight 2 cls/{predictions/transform/dense,seq_relationship}/kernel
        weight 2 h/0/attn/{c_attn,c_proj}/kernel""",
    "huggingface/transformers: Flax T5, Llama, Mistral, Gemma": """
        embedding 2 shared/embedding embed_tokens/embedding
        weight 2 block/0/layer/0/SelfAttention/{q,k,v,o}/kernel lm_head/kernel
        weight 2 block/0/layer/1/DenseReluDense/{wi_0,wi_1,wo}/kernel layers/0/mlp/up_proj/kernel
        weight 2 layers/0/self_attn/{q_proj,o_proj}/kernel
        position 2 block/0/layer/0/SelfAttention/relative_attention_bias/embedding
        norm 1 block/0/layer/{0,1}/layer_norm/weight final_layer_norm/weight norm/weight
        norm 1 layers/0/{input,post_attention}_layernorm/weight""",
    "huggingface/transformers: Flax CLIP, Whisper": """
        scale 0 logit_scale; token 1 vision_model/embeddings/class_embedding
        weight 4 vision_model/embeddings/patch_embedding/kernel; weight 3 encoder/conv{1,2}/kernel
        position 2 text_model/embeddings/position_embedding/embedding embed_positions/embedding
        norm 1 {pre_layrnorm,post_layernorm,layer_norm1,final_layer_norm}/scale
        norm 1 layers/0/{self_attn,encoder_attn}_layer_norm/scale
        bias 1 {pre_layrnorm,post_layernorm,layer_norm1,final_layer_norm}/bias conv1/bias
        weight 2 layers/0/{self_attn/q_proj,fc1}/kernel {visual,text}_projection/kernel""",
    "huggingface/transformers: Flax BEiT, DINOv2, wav2vec2": """
        token 3 embeddings/{cls_token,mask_token}; position 3 embeddings/position_embeddings
        scale 1 beit/layer/0/lambda_{1,2} layer/0/layer_scale{1,2}/lambda1
        norm 1 layer/0/norm{1,2}/scale beit/layer/0/layernorm_before/scale
        position 2 beit/layer/0/attention/relative_position_bias/relative_position_bias_table
        weight 3 pos_conv_embed/conv/weight_v; scale 3 pos_conv_embed/conv/weight_g
        bias 1 pos_conv_embed/conv/bias; embedding 3 quantizer/codevectors
        token 1 masked_spec_embed""",
    "huggingface/diffusers: Flax UNet": """
        weight 4 conv_in/kernel resnets_0/{conv1,conv2,conv_shortcut}/kernel
        weight 2 resnets_0/time_emb_proj/kernel time_embedding/linear_1/kernel
        weight 2 attentions_0/transformer_blocks_0/attn1/{to_q,to_k,to_v,to_out_0}/kernel
        weight 2 attentions_0/transformer_blocks_0/ff/{net_0/proj,net_2}/kernel
        norm 1 resnets_0/norm{1,2}/scale conv_norm_out/scale attentions_0/norm/scale
        norm 1 attentions_0/transformer_blocks_0/norm{1,2,3}/scale
        bias 1 resnets_0/norm{1,2}/bias conv_norm_out/bias attentions_0/norm/bias conv_in/bias""",
    "mamba-minimal-jax, NX-AI/xlstm-jax": """
        embedding 2 embedding/embedding; weight 3 layers_0/mixer/conv1d/kernel xlstm/q_proj/kernel
        norm 1 layers_0/norm/weight norm_f/weight cell/{outnorm,q_norm}/scale xlstm_norm/scale
        weight 2 layers_0/mixer/{in_proj,x_proj,dt_proj,out_proj}/kernel cell/{igate,fgate}/kernel
        bias 1 layers_0/mixer/{dt_proj,conv1d}/bias cell/{igate,fgate}/bias
        state 2 layers_0/mixer/A_log; state 1 layers_0/mixer/D; scale 1 xlstm/learnable_skip""",
    "S5, minimal-LRU, annotated-s4 (S4, S4D; a copy a feature)": """
        weight 2 encoder/kernel s5/out{1,2}/kernel lru/seq/{B_re,B_im,C_re,C_im}
        norm 1 s5/norm/scale lru/normalization/scale; bias 1 s5/norm/bias lru/normalization/bias
        state 1 s5/seq/{Lambda_re,Lambda_im,D} lru/seq/{nu_log,theta_log,gamma_log,D}
        state 2 s5/seq/log_step; weight 3 s5/seq/{B,C,C1,C2}; weight 2+1 s4/seq/C s4d/seq/C
        state 1+1 s4/seq/{Lambda_re,Lambda_im,P,D,log_step} s4d/seq/{A_re,A_im,log_step,D}
        weight 1+1 s4/seq/B s4d/seq/{B_re,B_im}""",
    # bias is a diagonal that multiplies the signal
    # its bias is a diagonal that multiplies the signal
    "irhum/hyena: implicit filters by a SIREN": """
        weight 2 {in_proj,out_proj}/kernel Siren_0/Dense_{0,1}/kernel; scale 4 bias
        weight 3 short_filter/kernel Siren_0/DenseGeneral_0/kernel
        bias 1 {in_proj,out_proj,short_filter}/bias Siren_0/Dense_{0,1}/bias""",
    "google-deepmind/recurrentgemma": """
        norm 1 {temporal,channel}_pre_norm/scale final_norm/scale; bias 4 mlp_block/ffw_up/b
        weight 2 recurrent_block/linear_{x,y,out}/kernel recurrent_block/conv_1d/w
        bias 1 recurrent_block/linear_{x,y,out}/bias recurrent_block/conv_1d/b
        weight 3 recurrent_block/rg_lru/{a_gate,input_gate}/w mlp_block/ffw_up/w
        bias 2 recurrent_block/rg_lru/{a_gate,input_gate}/b
        state 1 recurrent_block/rg_lru/{a_param,a_imag_param}""",
    "google/brax, ikostrikov/jaxrl, google-deepmind/acme": """
        weight 2 policy/hidden_{0,1}/kernel value/hidden_0/kernel actor/MLP_0/Dense_0/kernel
        bias 1 policy/hidden_{0,1}/bias value/hidden_0/bias actor/MLP_0/Dense_0/bias
        state 1 policy/std_param/value policy/std_logparam/log_value actor/log_stds actor/log_std
        state 1 dual/log_alpha_{mean,stddev} dual/log_{penalty_,}temperature
        state 0 log_alpha temperature/log_temp""",
    "DarshanDeshpande/jax-models: ConvNeXt, CaiT, VAN, Swin": """
        weight 2 pwconv{1,2}/kernel cait/qkv/kernel; norm 1 norm/scale van/norm1/scale
        bias 1 norm/bias van/norm1/bias pwconv1/bias; token 3 cls_token mask_token
        scale 1 gamma cait/gamma_{1,2} van/layer_scale_{1,2}; position 3 pos_embed abs_pos_emb
        position 2 swin/relative_position_bias_table; scale 3 PReLU_0/alpha""",
    "flaxmodels StyleGAN2, efficientnet-jax, jaxnerf, efficient-kan-jax": """
        weight 4 block/layer/weight conv_stem/kernel blocks_0/conv_{dw,pw}/kernel; state 2 kan/grid
        weight 4 blocks_0/se/{reduce,expand}/kernel; bias 1 blocks_0/se/{reduce,expand}/bias
        weight 2 mapping_network/fc0/weight MLP_0/Dense_0/kernel kan/base_weight
        bias 1 block/layer/bias mapping_network/fc0/bias MLP_0/Dense_0/bias blocks_0/bn_{dw,pw}/bias
        scale 0 block/layer/noise_strength; token 4 synthesis_network/const
        norm 1 blocks_0/bn_{dw,pw}/scale bn1/scale; weight 3 kan/spline_weight
        scale 2 kan/spline_scaler""",
    "danijar/dreamerv3: flat names": """
        weight 2 dyn/dynin0/kernel; weight 3 dyn/dyngru/kernel; embedding 2 enc/embed/table
        norm 1 dyn/dynin0norm/scale enc/normq/scale; token 1 dec/init
        bias 1 dyn/dynin0norm/shift dyn/dynin0/bias dyn/dyngru/bias""",
    "google/flax: Linen layers": """
        weight 2 Dense_0/kernel LSTMCell_0/{ii,hf}/kernel; scale 0 PReLU_0/negative_slope
        bias 1 Dense_0/bias LSTMCell_0/hf/bias; scale 1 WeightNorm_0/Dense_0/kernel/scale
        weight 3 Einsum_0/kernel ConvLocal_0/kernel attention/query/kernel
        bias 2 Einsum_0/bias ConvLocal_0/bias attention/query/bias
        norm 1 BatchNorm_0/scale GroupNorm_0/scale attention/{query,key}_ln/scale""",
    # Haiku: module names with /~/
    "google-deepmind/alphafold: evoformer stacked": """
        weight 3+1 msa_row_attention_with_pair_bias/attention/{query,key,value}_w
        weight 3+1 msa_row_attention_with_pair_bias/attention/{gating,output}_w
        weight 3+1 outer_product_mean/output_w; bias 1+1 triangle_multiplication/left_gate/bias
        bias 2+1 msa_row_attention_with_pair_bias/attention/gating_b
        bias 1+1 msa_row_attention_with_pair_bias/attention/output_b outer_product_mean/output_b
        bias 1+1 msa_row_attention_with_pair_bias/{query,feat_2d}_norm/offset
        weight 2+1 msa_row_attention_with_pair_bias/feat_2d_weights
        weight 2+1 triangle_multiplication/{left_gate,left_projection}/weights
        norm 1+1 msa_row_attention_with_pair_bias/{query,feat_2d}_norm/scale
        norm 1+1 triangle_multiplication/{left_norm_input,center_norm}/scale
        norm 1 evoformer/prev_pair_norm/scale structure_module/single_layer_norm/scale
        scale 1 invariant_point_attention/trainable_point_weights""",
    "google-deepmind/graphcast: GraphCast, GenCast": """
        weight 2 ~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/w
        weight 2 ~_networks_builder/processor_edges_mesh_norm_conditioning/linear/w
        weight 2 split_output_linear/w_2m_temperature; bias 1 split_output_linear/b_2m_temperature
        bias 1 ~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/b
        bias 1 ~_networks_builder/encoder_edges_grid2mesh_layer_norm/offset
        bias 1 ~_networks_builder/processor_edges_mesh_norm_conditioning/linear/b
        norm 1 ~_networks_builder/encoder_edges_grid2mesh_layer_norm/scale
        weight 2+1 stacked_linear/w; bias 1+1 stacked_linear/b""",
    "google-deepmind/deepmind-research: NFNet, BYOL, Perceiver, WikiGraphs": """
        weight 4 nf_net/~/stem_conv0/w nf_block/~/conv0/w initial_conv/w
        scale 1 nf_net/~/stem_conv0/gain nf_block/~/conv0/gain; bias 0 fixup/bias{1a,1b,2a}
        bias 1 nf_net/~/stem_conv0/bias nf_net/~/linear/b perceiver/layer_norm{,_1,_2}/offset
        bias 1 embedding_decoder/bias perceiver/attention/linear/b; norm 4 initial_batchnorm/scale
        scale 0 nf_block/skip_gain fixup/scale; norm 2 predictor/batch_norm/scale
        bias 4 initial_batchnorm/offset transformer_xl/r_{w,r}_bias
        bias 2 predictor/batch_norm/offset; position 2 trainable_position_encoding/pos_embs
        weight 2 nf_net/~/linear/w predictor/linear/w perceiver/attention/linear{,_1,_2}/w
        norm 1 perceiver/layer_norm{,_1,_2}/scale""",
    "xai-org/grok-1, mesh-transformer-jax, Haiku layers": """
        embedding 2 language_model/in_out_embed/embeddings; bias 1 depthwise_conv2_d/b
        weight 2 decoder_layer_0/multi_head_attention/{query,key,value,linear}/w gru/{w_i,w_h}
        weight 2 decoder_layer_0/router/w mlp/~/linear_0/w; bias 3 bias/b
        norm 1 decoder_layer_0/rms_norm{,_1,_2,_3}/scale replicated_layer_norm/scale
        weight 2+1 decoder_layer_0/moe/linear{,_v,_1}/w
        bias 1 gru/b mlp/~/linear_0/b replicated_layer_norm/offset conv2_d_transpose/b
        position 2 relative_position/rel_embedding projection/pos_embs
        weight 4 conv2_d_transpose/w depthwise_conv2_d/w""",
    # NNX: attributes, with owners
    "google/tunix: Llama, Qwen, Gemma; low-rank factors of google/qwix": """
        embedding 2 embedder/input_embedding@Embedder; bias 1 layers/0/attn/{q,k,v}_bias@Attention
        weight 3 layers/0/attn/{q,k,v,o}_proj/w@Einsum layers/0/attn/attn_vec_einsum/w@Einsum
        weight 3 layers/1/mlp/{gate,up,down}_proj@MoELayer layers/1/moe/linear@MoERagged
        weight 4 layers/0/attn/{qkv_einsum,kv_einsum}/w@Einsum layers/1/moe/gating_einsum@MoERagged
        norm 1 layers/0/attn/{q_norm,k_norm}/w@RMSNorm final_norm/w@RMSNorm
        norm 1 layers/0/{input,post_attention}_layernorm/w@RMSNorm pre_ffw_norm/scale@RMSNorm
        lora 2 layers/0/attn/q_proj/w_lora_{a,b}@Einsum; weight 2 audio/ffw/kernel@ClippedLinear
        lora 2 layers/0/mlp/up_proj/kernel_lora_{a,b}@Linear
        weight 2 layers/0/mlp/{gate,up,down}_proj/kernel@Linear lm_head/w@Einsum
        weight 2 layers/1/mlp/router/kernel@Linear layers/1/moe/router_logits@MoERagged
        scale 1 layers/1/moe/{per_expert_scale,router_scale}@MoERagged skip_scale@DecoderLayer
        state 0 audio/ffw/clip_{input,output}_{min,max}@ClippedLinear""",
    "erfanzar/EasyDeL: Llama, Qwen3-Next, Kimi, GPT-OSS, Gemma 4, Cohere": """
        embedding 2 embed_tokens/embedding@Embed; weight 2 layers/1/mlp/gate/kernel@KimiMoEGate
        weight 2 layers/0/self_attn/{q,k,v}_proj/kernel@ColumnParallelLinear
        weight 2 layers/0/self_attn/o_proj/kernel@RowParallelLinear
        weight 2 layers/0/mlp/shared_expert_gate/kernel@ColumnParallelLinear
        norm 1 layers/0/{input,post_attention}_layernorm/kernel@RMSNorm norm/kernel@KimiRMSNorm
        norm 1 layers/0/self_attn/{q_norm,k_norm}/kernel@Qwen3NextRMSNorm
        norm 1 layers/0/linear_attn/norm/kernel@RMSNormGated
        norm 2 layers/1/self_attn/{q_norm,k_norm}/kernel@RMSNorm
        state 1 layers/0/linear_attn/{A_log,dt_bias}@Qwen3NextLinearAttention
        state 1 layers/1/self_attn/sinks@GptOssAttention
        weight 3 layers/0/mlp/experts/up_proj/kernel@ColumnParallelMoELinear
        bias 1 layers/1/mlp/gate/e_score_correction_bias@KimiMoEGate
        scale 1 layers/1/layer_scalar@Gemma4TextDecoderLayer
        position 2 embed_positions/kernel@OPTLearnedPositionalEmbedding""",
    "erfanzar/EasyDeL: Mamba, RWKV, CLIP, SigLIP": """
        weight 3 layers/0/mixer/conv1d/kernel@MambaConv1D; state 2 layers/0/mixer/A_log@MambaMixer
        bias 1 layers/0/mixer/conv1d/bias@MambaConv1D blocks/0/{pre_ln,ln1,ln2}/bias@LayerNorm
        bias 1 layers/0/mixer/dt_proj/bias@ColumnParallelLinear logit_bias@SiglipModel
        bias 1 head/attention/in_proj_bias@MultiheadAttention; scale 0 logit_scale@CLIPModel
        weight 2 layers/0/mixer/{in,x,dt,out}_proj/kernel@ColumnParallelLinear
        weight 2 blocks/0/attention/{key,value,receptance}/kernel@ColumnParallelLinear
        weight 2 head/attention/in_proj_weight@MultiheadAttention
        state 1 layers/0/mixer/D@MambaMixer layers/1/mixer/{A_log,D,dt_bias}@Mamba2Mixer
        state 1 blocks/0/attention/{time_decay,time_first}@RwkvSelfAttention
        norm 1 layers/0/norm/kernel@RMSNorm layers/1/mixer/norm/kernel@MambaRMSNormGated
        norm 1 blocks/0/{pre_ln,ln1,ln2}/scale@LayerNorm
        state 3 blocks/0/attention/time_mix_{key,value,receptance}@RwkvSelfAttention
        token 1 vision_model/embeddings/class_embedding@CLIPVisionEmbeddings""",
    "srigas/jaxKAN, google/flax: NNX layers": """
        weight 3 layers/0/c_basis@ChebyshevLayer attention/query/kernel@LinearGeneral
        weight 2 layers/0/{c_res,c_ext}@ChebyshevLayer dense/v@DenseLayer act/{beta,Lambda}@ActLayer
        weight 2 linear/kernel@Linear lora_linear/kernel@LoRALinear; scale 2 sine/omega@SineLayer
        weight 2 weight_norm/layer_instance/kernel@Linear; lora 2 lora_linear/lora/lora_{a,b}@LoRA
        bias 1 layers/0/bias@ChebyshevLayer dense/b@DenseLayer linear/bias@Linear
        scale 1 dense/g@DenseLayer weight_norm/scales/kernel
        scale 0 blocks/0/{alpha,beta}@RGABlock prelu/negative_slope@PReLU
        bias 2 sine/phase@SineLayer attention/query/bias@LinearGeneral""",
    # Equinox and other dataclasses: attributes, with owners
    "stanford-crfm/levanter on haliax: Llama, Mixtral, GPT-2, LoRA, Hyena": """
        embedding 2 embeddings/token_embeddings/weight@Embedding
        position 2 embeddings/position_embeddings/weight@Embedding
        weight 4+1 layers/stacked/self_attn/q_proj/weight@Linear
        bias 3+1 layers/stacked/self_attn/q_proj/bias@Linear blocks/stacked/attn/c_attn/bias@Linear
        weight 3+1 layers/stacked/self_attn/{k,v,o}_proj/weight@Linear
        weight 3+1 layers/stacked/block_sparse_moe/experts/{w1,w2,w3}/weight@MoELinear
        bias 2+1 layers/stacked/self_attn/{k,v}_proj/bias@Linear
        norm 1+1 layers/stacked/self_attn/{q,k}_norm/weight@RmsNorm
        norm 1+1 layers/stacked/{input,post_attention}_layernorm/weight@RmsNorm
        norm 1+1 layers/stacked/pre_feedforward_layernorm/weight@GemmaRMSNorm
        weight 2+1 layers/stacked/mlp/{gate,up,down}_proj/weight@Linear
        weight 2+1 layers/stacked/block_sparse_moe/gate/weight@Linear
        norm 1 norm/weight@RmsNorm ln_f/weight@LayerNorm
        bias 1+1 blocks/stacked/ln_{1,2}/bias@LayerNorm
        lora 2 q_proj/lora/{lora_A,lora_B}/weight@Linear
        scale 1 filter_fn/implicit_filter/activation/freq@Sin filter_fn/bias@HyenaFilter""",
    "jax-ml/jax-llm-examples: Llama 3, GPT-OSS, DeepSeek": """
        embedding 2 embedding@Weights; weight 2 layers/1/attn/kv_a@AttentionLayer
        norm 1 gamma_final@Weights layers/0/attn_{pre,post}_gamma@Layer
        norm 1 layers/1/gamma_pre_attn@Layer layers/1/attn/{q_gamma,kv_gamma}@AttentionLayer
        weight 2 lm_head@Weights layers/0/{w_gate,w_up,w_down}@Layer layers/1/mlp/w_router@MoELayer
        weight 3 layers/0/{q,k,v,o}@Layer layers/1/mlp/{we_gate,we_up,we_down}@MoELayer
        lora 2 layers/1/attn/q_a@AttentionLayer; lora 3 layers/1/attn/{q_b,k_b,v_b}@AttentionLayer
        bias 1 layers/1/mlp/b_router@MoELayer layers/2/mlp/w_router_bias@MoELayer
        bias 2 layers/2/attn/{q,k,v}_bias@AttentionLayer layers/2/mlp/we_down_bias@MoELayer
        state 1 layers/2/attn/sinks@AttentionLayer; scale 1 layers/3/w_gate/scale@QuantArray""",
    "vvvm23/mamba-jax, clementpoiret/Equimo": """
        weight 2 layers/0/mixer/{in_proj,x_proj,dt_proj,out_proj}/weight@Linear
        weight 2 head/last/weight_v@WeightNormLinear; weight 3 layers/0/mixer/conv1d/weight@Conv1d
        bias 2 layers/0/mixer/conv1d/bias@Conv1d; state 2 layers/0/mixer/A_log@MambaBlock
        state 1 layers/0/mixer/D@MambaBlock blocks/2/mixer/{A_log,D,dt_bias}@Mamba2Mixer
        norm 1 layers/0/norm/weight@RMSNorm blocks/2/mixer/norm/w@RMSNormGated
        norm 1 blocks/0/norm1/weight@DyT blocks/1/norm1/weight@LayerNorm2d
        scale 1 blocks/0/norm1/alpha@DyT blocks/0/ls1/gamma@LayerScale
        bias 1 blocks/0/norm1/bias@DyT; token 2 {cls_token,reg_tokens,mask_token}@VisionTransformer
        position 2 global_pos_embed/weight@LearnedPosEmbed
        scale 2 head/last/weight_g@WeightNormLinear""",
    "paganpasta/eqxvision, Equinox layers, google-deepmind/penzai": """
        scale 3 features/0/layer_scale@_CNBlock swin/attn/logit_scale@_ShiftedWindowAttentionV2
        position 2 swin/attn/relative_position_bias_table@_ShiftedWindowAttention
        position 2 vit/pos_embed@VisionTransformer; weight 4 stem/weight@Conv2d
        norm 1 vit/blocks/0/norm1/weight@LayerNorm pre_attention_norm/sublayers/1/weights@Linear
        bias 3 stem/bias@Conv2d; weight 2 gru/weight_{ih,hh}@GRUCell weight_norm/layer/weight@Linear
        bias 1 gru/bias@GRUCell gru/bias_n@GRUCell affine/sublayers/1/bias@AddBias
        scale 2 weight_norm/g@WeightNorm; scale 0 prelu/negative_slope@PReLU
        weight 3 attention/query/weights@Linear
        embedding 2 embedder/table/embeddings@EmbeddingTable""",
    # PyTorch state dictionaries: one key with dots
    "pytorch-image-models, torchvision, ConvNeXt-V2": """
        token 3 cls_token reg_token; position 3 pos_embed; norm 1 layer1.0.downsample.1.weight
        weight 4 patch_embed.proj.weight conv1.weight dwconv.weight layer1.0.downsample.0.weight
        bias 1 patch_embed.proj.bias blocks.0.attn.qkv.bias norm.bias stages.0.grn.bias
        norm 1 norm.weight blocks.0.norm1.weight blocks.0.attn.q_norm.weight bn1.weight
        scale 1 blocks.0.ls1.gamma blocks.0.gamma_1 act.weight stages.0.grn.weight
        weight 2 blocks.0.attn.qkv.weight attn.cpb_mlp.0.weight; scale 3 attn.logit_scale
        position 2 attn.relative_position_bias_table; scale 4 stages.1.grn.gamma std_conv.gain
        bias 4 stages.1.grn.beta""",
    "PyTorch: Llama, PEFT, Mamba, RWKV, layers": """
        embedding 2 model.embed_tokens.weight; weight 2 lstm.weight_ih_l0
        norm 1 layers.0.input_layernorm.weight model.norm.weight blocks.0.ln1.weight
        weight 2 layers.0.self_attn.q_proj.weight lm_head.weight attn.in_proj_weight
        lora 2 layers.0.self_attn.q_proj.lora_{A,B}.default.weight; bias 3 layers.0.mixer.{B,C}_bias
        lora 2 blocks.0.att.time_{decay_w1,decay_w2,maa_w1}; state 3 blocks.0.att.time_{mix_k,maa_x}
        scale 1 layers.0.self_attn.q_proj.lora_magnitude_vector.default.weight
        scale 2 layers.0.mlp.down_proj.ia3_l.default; bias 1 attn.in_proj_bias lstm.bias_ih_l0
        state 2 layers.0.mixer.A_log blocks.1.att.{time_faaaa,time_decay}
        state 1 layers.0.mixer.D blocks.0.att.time_decay
        weight 3 layers.0.mixer.conv1d.weight conv.weight_v conv2.parametrizations.weight.original1
        scale 3 conv.weight_g conv2.parametrizations.weight.original0""",
    "plain dictionaries of tutorials": """
        weight 2 w1 W2 layer1/W layer2/w layer3/weights mlp/0/weights theta/W net/weights/0 net/Ws/0
        bias 1 b1 b2 layer1/b layer2/b layer3/biases mlp/0/biases theta/B net/biases/0 net/bs/0
        weight 1 linear/w regression/weights coef; bias 0 linear/b regression/bias intercept""",
}

# Names of one kind that mean another: modules called after what they predict or feed, plain arrays
# of unusual rank. Written for this table, but for the first line: AlphaFold, DiT, SAC, diffusers.
TRAPS = """
weight 2 unnormalized_angles/weights adaLN_modulation.1.weight log_std/kernel norm1.linear.weight
weight 2 normal_head/kernel lnear/kernel learner/ln_proj/w {patch_norm,norm}_proj/kernel abnormal/w
weight 2 norm_head/kernel final_layer_norm_dense/kernel {beta,scale,bias}_net/kernel
weight 2 gate/kernel temporal/kernel D/kernel A_log_net/w t/kernel beta/kernel g/w alpha/kernel
weight 2 temperature_head/kernel logit_scale_mlp/kernel clip_proj/kernel
weight 2 scale_shift/kernel film_gamma/kernel matrix/A
weight 4 {gn,bn}_conv/kernel conv_bn_relu/conv/w
bias 1 normal_head/bias norm_proj/bias scale_net/bias log_std/bias g/b matrix/b
bias 2 heads/bias local/b
bias 3 local_conv/bias
norm 1+1 stacked/{attention_norm,ln_f,input_layernorm}/kernel stacked/q_norm/weight
norm 2 per_head/{q_norm,k_norm}/scale
position 2 relative_attention_bias/embedding
weight 1 logistic/kernel probe/w
lora 2 adapter/{A,B} adapter/{lora_down,lora_up}/kernel
"""

# What masks of these projects do by default with that which the field treats in both ways.
CONTESTED = {
    "embedding": """decayed: nanoGPT (rank >= 2), mesh-transformer-jax (rank >= 2), Scenic
        (skip_scale_and_bias: rank != 1), transformers (decay_mask_fn: all but bias and layer norm),
        EasyLM, MaxText (adamw_mask: []), nanodo, Flax lm1b, wmt and gemma (no mask); not decayed:
        Levanter (class Embedding), nanoGPT-jax, gpt-jax, big_vision, DreamerV3, xLSTM (kernel
        alone), MaxText distillation (.*embedding.*, .*norm.*, .*bias), minGPT""",
    "position": """decayed: nanoGPT, Scenic, transformers, nanodo; not decayed: big_vision,
        Perceiver (pos_embs, b, norms), timm and Equimo (pos_embed), Levanter (class Embedding)""",
    "relative bias": """decayed: transformers Flax T5 (relative_attention_bias/embedding), Scenic;
        not decayed: timm Swin (relative_position_bias_table)""",
    "token": """decayed: transformers, Scenic (rank 3); not decayed: big_vision, timm (cls_token,
        reg_token, dist_token), Equimo (class, register, mask, distillation)""",
    "layer scale": """decayed: transformers (lambda_1, lambda1); not decayed: timm (rank <= 1),
        ConvNeXt-V2 (.gamma, .beta), axlearn (residual_gate_theta), NFNet (gain, skip_gain),
        big_vision, Scenic (rank 1)""",
    "router": """decayed as any kernel: MaxText, Levanter; its bias as any bias""",
    "state space": """not decayed: Mamba (A_log, D, dt_bias: _no_weight_decay), S5 (Lambda, B,
        log_step; C and D are), LRU (nu_log, theta_log, gamma_log, B; C and D are), S4 (Lambda, P,
        B, log_step; C and D are)""",
    "norm and bias": """decayed, for want of a mask: EasyLM, MaxText, nanodo, axlearn's GPT, Flax
        lm1b, wmt, gemma, openpi; by rules of rank (nanoGPT, Scenic): if stacked or by head""",
}

# Leaves of the table that no rule by name, rank, siblings and owner's kind gets right.
EXCEPTIONS = {
    "invariant_point_attention/trainable_point_weights": "AlphaFold: a gain a head, called weights",
    "act/beta": "jaxKAN: a matrix of coefficients, called beta; ActLayer alone says so",
    "PReLU_0/alpha": "jax-models: slopes of the rank of an image; PReLU alone says so",
}
