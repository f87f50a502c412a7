// Kubernetes' API server, and its controller manager under that name: one program, because they share most of their code.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	var command *cobra.Command
	if filepath.Base(os.Args[0]) == "kube-controller-manager" {
		command = manager.NewControllerManagerCommand()
	} else {
		command = apiserver.NewAPIServerCommand()
	}
	os.Exit(cli.Run(command))
}
